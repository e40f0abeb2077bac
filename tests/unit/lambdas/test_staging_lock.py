"""One execution at a time has staging, and none keeps it for ever."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.stub import Stubber

from shared import records
from shared.errors import EventInvalid, StagingBusy
from staging_lock import acquisition, gateway
from staging_lock.handler import handler
from staging_lock.models import AcquireRequest, Execution, Staging

TABLE = "runs"
NOW = 1_000_000
MINE = "arn:aws:states:eu-west-1:111122223333:execution:m:mine"
THEIRS = "arn:aws:states:eu-west-1:111122223333:execution:m:theirs"
EXPIRY = "endpoint-expiry"
TIMEOUTS = {"LOCK_TIMEOUT_SECONDS": "600", "CLEANUP_TIMEOUT_SECONDS": "4500"}
Stub = Callable[[str], Stubber]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


class Table:
    """The run table, in memory, as `shared.records` sees it."""

    def __init__(self) -> None:
        self.lock_: records.Lock | None = None
        self.completed: set[str] = set()
        self.rival: str | None = None

    def lock(self, table: str) -> records.Lock | None:
        return self.lock_

    def take_lock(
        self, table: str, holder: str, *, now: int, instead_of: str | None = None
    ) -> bool:
        if self.rival:
            self.lock_, self.rival = records.Lock(self.rival, now), None
        if self.lock_ and self.lock_.holder == holder:
            return True
        if self.lock_ and self.lock_.holder != instead_of:
            return False
        self.lock_ = records.Lock(holder, now)
        return True

    def end(self, table: str, execution_arn: str) -> records.End:
        return records.End(notified=True, completed=execution_arn in self.completed)


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> dict[str, Execution]:
    known: dict[str, Execution] = {}
    monkeypatch.setattr(gateway, "describe_execution", known.get)
    return known


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, executions: dict[str, Execution]) -> Table:
    memory = Table()
    for name in ("lock", "take_lock", "end"):
        monkeypatch.setattr(records, name, getattr(memory, name))
    return memory


def look(before: Staging | None = None, *, now: int = NOW, timeout_seconds: int = 600) -> Staging:
    request = AcquireRequest(execution_arn=MINE, staging=before or Staging())
    return acquisition.acquire(
        request, TABLE, now=now, timeout_seconds=timeout_seconds, cleanup_timeout_seconds=4500
    )


def test_free_staging_is_taken(table: Table) -> None:
    assert look() == Staging(acquired=True, holder=MINE, started_at=NOW)
    assert table.lock_ == records.Lock(MINE, NOW)


def test_a_repeated_look_keeps_what_it_has(table: Table) -> None:
    look()
    again = look(now=NOW + 5)
    assert (again.acquired, again.waited_seconds) == (True, 0)
    assert table.lock_ == records.Lock(MINE, NOW)


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_a_running_holder_is_waited_for(
    table: Table, executions: dict[str, Execution], status: str
) -> None:
    table.lock_ = records.Lock(THEIRS, NOW - 10**6)
    executions[THEIRS] = Execution(status, None)
    table.completed = {THEIRS}  # of the time before it was redriven
    staging = look()
    assert (staging.acquired, staging.holder, staging.wait_seconds) == (False, THEIRS, 2)
    assert table.lock_.holder == THEIRS


@pytest.mark.parametrize(
    ("stopped_ago", "completed", "taken"),
    [(1, True, True), (1, False, False), (4499, False, False), (4500, False, True)],
)
def test_a_stopped_holder_is_replaced_once_its_end_is_complete_or_long_ago(
    table: Table,
    executions: dict[str, Execution],
    stopped_ago: int,
    completed: bool,
    taken: bool,
) -> None:
    table.lock_ = records.Lock(THEIRS, NOW - 5000)
    executions[THEIRS] = Execution("FAILED", NOW - stopped_ago)
    table.completed = {THEIRS} if completed else set()
    assert look().acquired is taken
    assert table.lock_ is not None
    assert table.lock_.holder == (MINE if taken else THEIRS)


def test_a_forgotten_holder_is_replaced(table: Table) -> None:
    table.lock_ = records.Lock(THEIRS, NOW)
    assert look().acquired


@pytest.mark.parametrize(("held", "taken"), [(299, False), (300, True)])
def test_a_lambda_holds_staging_for_five_minutes_at_most(
    table: Table, held: int, taken: bool
) -> None:
    table.lock_ = records.Lock(EXPIRY, NOW - held)
    assert look().acquired is taken


@pytest.mark.parametrize("stale", [True, False])
def test_a_rival_that_is_faster_has_staging(table: Table, stale: bool) -> None:
    table.lock_ = records.Lock(EXPIRY, 0) if stale else None
    table.rival = THEIRS
    assert not look().acquired
    assert table.lock_ == records.Lock(THEIRS, NOW)


def test_pauses_double_up_to_half_a_minute_and_end_with_the_time(
    table: Table, executions: dict[str, Execution]
) -> None:
    table.lock_, executions[THEIRS] = records.Lock(THEIRS, NOW), Execution("RUNNING", None)
    staging, now, pauses = look(timeout_seconds=100), NOW, []
    while staging.waited_seconds + staging.wait_seconds < 100:
        pauses.append(staging.wait_seconds)
        now += staging.wait_seconds
        staging = look(staging, now=now, timeout_seconds=100)
    assert [*pauses, staging.wait_seconds] == [2, 4, 8, 16, 30, 30, 10]
    assert (staging.waited_seconds, staging.started_at) == (90, NOW)
    with pytest.raises(StagingBusy, match=f"held by {THEIRS} after 100 s, .* within 100 s") as e:
        look(staging, now=NOW + 100, timeout_seconds=100)
    assert "Wait for its end, or stop it." in str(e.value)


def test_staging_that_comes_free_at_the_last_look_is_taken(table: Table) -> None:
    assert look(Staging(started_at=NOW - 600, wait_seconds=30)).acquired


def test_the_handler_reads_the_table_and_writes_conditionally(
    stub: Stub, environment: Callable[..., None], context: SimpleNamespace
) -> None:
    environment(RUN_TABLE_NAME=TABLE, **TIMEOUTS)
    held = {"id": {"S": records.LOCK_ID}, "holder": {"S": THEIRS}, "since": {"N": "1"}}
    dynamodb = stub("dynamodb")
    dynamodb.add_response("get_item", {"Item": held})
    dynamodb.add_response("get_item", {})
    dynamodb.add_response("get_item", {"Item": held})
    stub("step_functions").add_response(
        "describe_execution",
        {
            "executionArn": THEIRS,
            "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:m",
            "status": "ABORTED",
            "startDate": datetime(2026, 5, 4, tzinfo=UTC),
            "stopDate": datetime(2026, 5, 4, tzinfo=UTC),
        },
    )
    dynamodb.add_response("put_item", {})
    seed = {"acquired": False, "waited_seconds": 0, "wait_seconds": 0, "started_at": 0}
    staging = handler({"execution_arn": MINE, "staging": seed | {"holder": None}}, context)
    assert (staging["acquired"], staging["holder"]) == (True, MINE)
    assert staging.keys() == seed.keys() | {"holder"}


def test_an_execution_that_is_forgotten_is_none(stub: Stub) -> None:
    stub("step_functions").add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert gateway.describe_execution(THEIRS) is None


def test_a_malformed_request_is_named(
    environment: Callable[..., None], context: SimpleNamespace
) -> None:
    environment(RUN_TABLE_NAME=TABLE, **TIMEOUTS)
    with pytest.raises(EventInvalid, match="AcquireRequest: execution_arn: Field required"):
        handler({"staging": {}}, context)
