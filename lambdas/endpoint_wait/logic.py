"""When a deployment of the endpoint is done, lost or late."""

from endpoint_wait.models import Description, Endpoint
from shared.errors import EndpointBusy, EndpointFailed, EndpointRolledBack, EndpointTimedOut

ABSENT = "Absent"
IN_SERVICE = "InService"
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
LONGEST_WAIT_SECONDS = 30


def first_look(
    name: str, description: Description | None, *, endpoint_config_name: str, now: int
) -> Endpoint:
    """Decide between creating and updating.

    The run's version is registered by now, so its run key would end as Duplicate: the way on is
    to deploy the endpoint config that the run has made.

    Raises
    ------
    EndpointBusy
        If another deployment is under way.
    EndpointFailed
        If the endpoint's status allows no update.
    """
    if description and description.status in CHANGING:
        raise EndpointBusy(
            f"Endpoint {name} is {description.status} with endpoint config "
            f"{description.endpoint_config_name}. Once it is InService, deploy this run's version: "
            f"{_command('update', name, endpoint_config_name)}."
        )
    if description and description.status != IN_SERVICE:
        raise EndpointFailed(
            f"Endpoint {name} is {description.status}{_reason(description)} and cannot be "
            f"updated. Delete it (aws sagemaker delete-endpoint --endpoint-name {name}), then "
            f"deploy this run's version: {_command('create', name, endpoint_config_name)}."
        )
    return Endpoint(
        name=name,
        action="Update" if description else "Create",
        status=description.status if description else ABSENT,
        wait_seconds=0,
        started_at=now,
        elapsed_seconds=0,
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
    elapsed = now - endpoint.started_at
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
            f"/aws/sagemaker/Endpoints/{endpoint.name}."
        )
    if description.status != IN_SERVICE and description.status not in CHANGING:
        raise EndpointFailed(
            f"Endpoint {endpoint.name} is {description.status} with endpoint config "
            f"{description.endpoint_config_name}{_reason(description)}. Look at log group "
            f"/aws/sagemaker/Endpoints/{endpoint.name}; a failed endpoint can only be deleted."
        )


def _command(verb: str, name: str, endpoint_config_name: str) -> str:
    return (
        f"aws sagemaker {verb}-endpoint --endpoint-name {name} "
        f"--endpoint-config-name {endpoint_config_name}"
    )


def _reason(description: Description) -> str:
    return f" ({description.failure_reason})" if description.failure_reason else ""


def _next_wait(wait_seconds: int) -> int:
    return min(LONGEST_WAIT_SECONDS, max(1, 2 * wait_seconds))
