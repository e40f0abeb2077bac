"""Tell an outage, which passes, from a refusal, which does not: only the first is retried."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from shared.aws import error_code
from shared.errors import ServiceUnavailable

THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "SlowDown",
        "KMS.ThrottlingException",
        "ServiceUnavailable",
    }
)


@contextmanager
def named_outages() -> Iterator[None]:
    """Give an outage that outlasted the client's own retries the name that is retried.

    Raises
    ------
    ServiceUnavailable
        If a service was throttled, failed by itself (5xx) or could not be reached.
    """
    try:
        yield
    except ClientError as error:
        if not _is_outage(error):
            raise
        raise ServiceUnavailable(_worded(str(error))) from error
    except (ConnectionError, HTTPClientError) as error:
        raise ServiceUnavailable(_worded(str(error))) from error


def _is_outage(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error_code(error) in THROTTLED or status >= 500


def _worded(problem: str) -> str:
    return f"{problem.rstrip('. ')}. It lasted longer than all retries; try again later."
