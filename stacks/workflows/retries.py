"""The one retry table: which errors are worth another attempt, and how many.

Full jitter spreads executions that fail together; every retrier is bounded. The Cause is out
of a retrier's reach, so throttling and a refused request share `AmazonSageMakerException`:
few attempts, soon over. The Lambdas are idempotent, so one that died may be asked again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Retrier = Mapping[str, Any]
BACKOFF_RATE = 2
# How long a service may take to refuse a request.
REFUSAL_SECONDS = 30


def _retrier(
    errors: Sequence[str], *, interval_seconds: int, max_delay_seconds: int, max_attempts: int
) -> Retrier:
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": interval_seconds,
        "BackoffRate": BACKOFF_RATE,
        "MaxDelaySeconds": max_delay_seconds,
        "MaxAttempts": max_attempts,
        "JitterStrategy": "FULL",
    }


LAMBDA = (
    _retrier(
        [
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.TooManyRequestsException",
            # A service that a Lambda called was throttled or failed beyond the client's retries.
            "ServiceUnavailable",
        ],
        interval_seconds=1,
        max_delay_seconds=30,
        max_attempts=6,
    ),
    # The Lambda ran out of time or memory, or its process died.
    _retrier(
        ["Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError"],
        interval_seconds=2,
        max_delay_seconds=10,
        max_attempts=2,
    ),
)

# FindEndpoint alone raises it: another deployment of the endpoint is under way, and ends.
ENDPOINT_BUSY = _retrier(
    ["EndpointBusy"], interval_seconds=5, max_delay_seconds=60, max_attempts=20
)

SAGEMAKER = (
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
)


def longest_delay_seconds(retrier: Retrier) -> int:
    """Return the sum of a retrier's delays, each without jitter: none is longer."""
    interval, limit = retrier["IntervalSeconds"], retrier["MaxDelaySeconds"]
    return sum(
        min(interval * BACKOFF_RATE**attempt, limit) for attempt in range(retrier["MaxAttempts"])
    )


def longest_task_seconds(task: Mapping[str, Any]) -> int:
    """Return how long a task of the Amazon States Language may take with all its retries.

    A Lambda may take its whole time before it fails; what the other integrations are retried
    for is refused at once.
    """
    timeout = int(task["TimeoutSeconds"])
    attempt = timeout if task["Resource"].endswith(":lambda:invoke") else REFUSAL_SECONDS
    attempts = sum(retrier["MaxAttempts"] for retrier in task["Retry"])
    delays = sum(longest_delay_seconds(retrier) for retrier in task["Retry"])
    return timeout + int(attempts) * attempt + delays
