"""The one retry table: which errors are worth another attempt, and how many.

Full jitter spreads executions that fail together; every retrier is bounded. The Cause is out
of a retrier's reach, so throttling and a refused request share `AmazonSageMakerException`:
few attempts, soon over.
"""

from collections.abc import Sequence
from typing import Any


def _retrier(
    errors: Sequence[str], *, interval_seconds: int, max_delay_seconds: int, max_attempts: int
) -> dict[str, Any]:
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": interval_seconds,
        "BackoffRate": 2,
        "MaxDelaySeconds": max_delay_seconds,
        "MaxAttempts": max_attempts,
        "JitterStrategy": "FULL",
    }


LAMBDA = [
    _retrier(
        [
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.TooManyRequestsException",
        ],
        interval_seconds=1,
        max_delay_seconds=30,
        max_attempts=6,
    ),
    # FindEndpoint alone raises it: another run's deployment is under way, and ends by itself.
    _retrier(["EndpointBusy"], interval_seconds=5, max_delay_seconds=60, max_attempts=20),
]

SAGEMAKER = [
    _retrier(
        ["SageMaker.AmazonSageMakerException"],
        interval_seconds=2,
        max_delay_seconds=20,
        max_attempts=3,
    ),
    _retrier(
        ["SageMaker.ResourceLimitExceededException"],
        interval_seconds=30,
        max_delay_seconds=300,
        max_attempts=6,
    ),
]
