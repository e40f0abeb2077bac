"""When a deployment of the endpoint is done, lost or late."""

import pytest

from endpoint_wait.logic import first_look, next_look
from endpoint_wait.models import Description, Endpoint
from shared.errors import EndpointBusy, EndpointFailed, EndpointRolledBack, EndpointTimedOut

CONFIG = "demo-v1-0-0123456789-1"


def described(status: str, config: str = CONFIG, reason: str | None = None) -> Description:
    return Description(status=status, endpoint_config_name=config, failure_reason=reason)


def endpoint(status: str = "Creating", wait_seconds: int = 1) -> Endpoint:
    return Endpoint(
        name="demo-staging",
        action="Create",
        status=status,
        wait_seconds=wait_seconds,
        started_at=1000,
        elapsed_seconds=0,
    )


def find(now_described: Description | None) -> Endpoint:
    return first_look("demo-staging", now_described, endpoint_config_name=CONFIG, now=1000)


def look(before: Endpoint, now_described: Description | None, now: int = 1010) -> Endpoint:
    return next_look(
        before, now_described, endpoint_config_name=CONFIG, now=now, timeout_seconds=600
    )


def test_an_absent_endpoint_is_created_and_one_in_service_updated() -> None:
    assert find(None).action == "Create"
    assert find(described("InService", "old")).action == "Update"


def test_the_config_served_at_the_first_look_is_carried_along() -> None:
    assert find(None).former_config is None
    first = find(described("InService", "old"))
    assert look(look(first, described("Updating")), described("InService")).former_config == "old"


@pytest.mark.parametrize(
    "status", ["Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting"]
)
def test_another_deployment_under_way_is_busy(status: str) -> None:
    with pytest.raises(EndpointBusy, match=f"is {status} with endpoint config old, expected"):
        find(described(status, "old"))


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_an_endpoint_that_cannot_be_updated_says_how_to_go_on(status: str) -> None:
    with pytest.raises(EndpointFailed, match="no ping.*delete-endpoint --endpoint-name demo-st"):
        find(described(status, "old", "no ping"))


def test_in_service_with_the_run_s_config_is_done() -> None:
    assert look(endpoint(), described("InService")).status == "InService"


def test_failed_is_terminal() -> None:
    with pytest.raises(EndpointFailed, match="did not pass the ping"):
        look(endpoint(), described("Failed", reason="did not pass the ping"))


def test_back_in_service_with_another_config_is_a_rollback() -> None:
    with pytest.raises(EndpointRolledBack, match=f"serves endpoint config old again .*{CONFIG}"):
        look(endpoint("Updating"), described("InService", "old"))


def test_a_read_that_lags_behind_the_request_is_not_yet() -> None:
    first = find(described("InService", "old"))
    lagging = look(first, described("InService", "old"))
    assert lagging.status != "InService"
    assert look(lagging, None).status == "Absent"
    assert look(lagging, described("Updating")).status == "Updating"


def test_the_loop_is_bounded() -> None:
    with pytest.raises(EndpointTimedOut, match="is Creating .* after 600 s"):
        look(endpoint(), described("Creating"), now=1600)


def test_in_service_just_after_the_bound_is_still_done() -> None:
    assert look(endpoint(), described("InService"), now=2000).status == "InService"


def test_pauses_double_up_to_half_a_minute() -> None:
    state = endpoint(wait_seconds=0)
    pauses = []
    for _ in range(7):
        state = look(state, described("Creating"))
        pauses.append(state.wait_seconds)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
