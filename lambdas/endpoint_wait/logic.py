"""When a deployment of the endpoint is done, lost or late."""

from endpoint_wait.models import Description, Endpoint
from shared.errors import EndpointBusy, EndpointFailed, EndpointRolledBack, EndpointTimedOut

ABSENT = "Absent"
IN_SERVICE = "InService"
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
BUSY = CHANGING | {"Deleting"}
LONGEST_WAIT_SECONDS = 30


def first_look(
    name: str, description: Description | None, *, endpoint_config_name: str, now: int
) -> Endpoint:
    """Decide between creating and updating.

    What a failed run made is removed and its version rejected, so the way on is always another
    attempt: ExplainFailure adds the command to the cause, which names what else is to be done.

    Raises
    ------
    EndpointBusy
        If another deployment, or a deletion, is under way.
    EndpointFailed
        If the endpoint's status allows no update.
    """
    if description and description.status in BUSY:
        raise EndpointBusy(
            f"Endpoint {name} is {description.status} with endpoint config "
            f"{description.endpoint_config_name}, expected InService or none to deploy "
            f"{endpoint_config_name}. Wait until it is."
        )
    if description and description.status != IN_SERVICE:
        raise EndpointFailed(
            f"Endpoint {name} is {description.status}{_reason(description)} and cannot be "
            f"updated to {endpoint_config_name}. Delete it (aws sagemaker delete-endpoint "
            f"--endpoint-name {name})."
        )
    return Endpoint(
        name=name,
        action="Update" if description else "Create",
        status=description.status if description else ABSENT,
        wait_seconds=0,
        started_at=now,
        elapsed_seconds=0,
        former_config=description.endpoint_config_name if description else None,
    )


def next_look(
    endpoint: Endpoint,
    description: Description | None,
    *,
    endpoint_config_name: str,
    now: int,
    timeout_seconds: int,
) -> Endpoint:
    """Tell "not yet" from "never".

    Reads may lag behind the request, so an absent endpoint, or one in service with its former
    config, is "not yet" until it was seen changing.

    Raises
    ------
    EndpointFailed
        If it is Failed, or in another status that never ends in service.
    EndpointRolledBack
        If it came back into service with another endpoint config.
    EndpointTimedOut
        If it is not in service in time.
    """
    status = description.status if description else ABSENT
    served = description.endpoint_config_name if description else None
    done = status == IN_SERVICE and served == endpoint_config_name
    if description and not done:
        _raise_if_lost(endpoint, description, endpoint_config_name)
    # the request may have been retried since the first look: the endpoint's time begins here
    started_at = endpoint.started_at if endpoint.wait_seconds else now
    elapsed = now - started_at
    if not done and elapsed >= timeout_seconds:
        raise EndpointTimedOut(
            f"Endpoint {endpoint.name} is {status} with endpoint config {served} after {elapsed} "
            f"s, expected InService with {endpoint_config_name} within {timeout_seconds} s. Look "
            f"at log group /aws/sagemaker/Endpoints/{endpoint.name}, or raise "
            "endpoint.timeout_seconds."
        )
    return endpoint.model_copy(
        update={
            "status": _as_seen(status, done),
            "wait_seconds": _next_wait(endpoint.wait_seconds),
            "started_at": started_at,
            "elapsed_seconds": elapsed,
        }
    )


def _as_seen(status: str, done: bool) -> str:
    return f"{IN_SERVICE}WithFormerConfig" if status == IN_SERVICE and not done else status


def _raise_if_lost(endpoint: Endpoint, description: Description, expected: str) -> None:
    if description.status == IN_SERVICE and endpoint.status in CHANGING:
        raise EndpointRolledBack(
            f"Endpoint {endpoint.name} serves endpoint config {description.endpoint_config_name} "
            f"again instead of {expected}{_reason(description)}. Look at log group "
            f"/aws/sagemaker/Endpoints/{endpoint.name} and correct what it names."
        )
    if description.status != IN_SERVICE and description.status not in CHANGING:
        raise EndpointFailed(
            f"Endpoint {endpoint.name} is {description.status} with endpoint config "
            f"{description.endpoint_config_name}{_reason(description)}. Look at log group "
            f"/aws/sagemaker/Endpoints/{endpoint.name} and correct what it names."
        )


def _reason(description: Description) -> str:
    return f" ({description.failure_reason})" if description.failure_reason else ""


def _next_wait(wait_seconds: int) -> int:
    return min(LONGEST_WAIT_SECONDS, max(1, 2 * wait_seconds))
