"""Outages are retried by name; refusals keep theirs."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.errors import ServiceUnavailable
from shared.outages import named_outages


def refused(code: str, status: int) -> ClientError:
    metadata = {"HTTPStatusCode": status}
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata}
    return ClientError(response, "DescribeThing")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        refused("ThrottlingException", 400),
        refused("InternalFailure", 500),
        refused("SomethingNew", 503),
        EndpointConnectionError(endpoint_url="https://example.invalid"),
    ],
)
def test_an_outage_gets_the_name_that_is_retried(error: Exception) -> None:
    with pytest.raises(ServiceUnavailable, match="try again later"), named_outages():
        raise error


@pytest.mark.parametrize("error", [refused("AccessDeniedException", 403), ValueError("no")])
def test_a_refusal_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)), named_outages():
        raise error
