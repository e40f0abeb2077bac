"""What no event told of is found, handed on once it is due, and each part for itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler import gateway, logic, sweep
from reconciler.handler import handler
from reconciler.models import DatasetVersion, Endpoint, Imageless
from reconciler.sweep import Sweep
from shared import aws, records
from shared.datasets import execution_name
from shared.environment import ReconcilerEnvironment
from shared.errors import ReconcilingIncomplete
from start_run.handler import handler as start_run
from tests.unit.lambdas.account_in_memory import (
    MACHINE,
    OTHER,
    STOPPED,
    TABLE,
    Account,
    StepFunctions,
)
from tests.unit.lambdas.sagemaker_in_memory import ARN, ENDPOINT, STARTED

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")
NOW = STOPPED + timedelta(minutes=30)
ENVIRONMENT = ReconcilerEnvironment(
    powertools_service_name="t",
    powertools_metrics_namespace="t",
    powertools_log_level="INFO",
    bucket_name="b",
    run_table_name=TABLE,
    endpoint_name=ENDPOINT,
    endpoint_time_to_live_seconds=3600,
    quiet_period_seconds=300,
    image_parameter_name="image",
    state_machine_arn=MACHINE,
    start_run_function_arn="start",
    dataset_sealer_function_arn="seal",
    run_ended_function_arn="end",
)
MANIFEST = "v1/_MANIFEST.json"


class Starting(StepFunctions):
    """Executions that StartRun may add to."""

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:
        arn = f"{stateMachineArn.replace('stateMachine', 'execution')}:{name}"
        started = datetime.now(UTC)
        self.executions[arn] = {"status": "RUNNING", "startDate": started}
        return {"executionArn": arn, "startDate": started}


def swept(environment: ReconcilerEnvironment = ENVIRONMENT, now: datetime = NOW) -> Sweep:
    made = Sweep(environment, now)
    made.run()
    return made


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_an_execution_without_its_end_is_ended(account: Account) -> None:
    account.ended("TIMED_OUT", [])
    account.ended("SUCCEEDED", [], arn=OTHER)
    found = swept().found
    assert account.lambda_.invoked == [
        ("end", {"execution_arn": ARN}),
        ("end", {"execution_arn": OTHER}),
    ]
    assert (found.lost_executions, found.repeated_executions) == (2, 0)


def test_an_execution_whose_end_is_incomplete_is_no_lost_event(account: Account) -> None:
    account.ended("FAILED", [])
    records.begin_end(TABLE, ARN, redrives=0, now=1)
    found = swept().found
    assert (found.lost_executions, found.repeated_executions) == (0, 1)


def complete(redrives: int = 0) -> None:
    records.begin_end(TABLE, ARN, redrives=redrives, now=1)
    records.complete_end(TABLE, ARN, now=1)


def test_a_completed_end_is_left_alone_until_the_next_redrive(account: Account) -> None:
    account.ended("FAILED", [])
    complete()
    assert swept().found.lost_executions == 0
    account.step_functions.executions[ARN]["redriveCount"] = 1
    assert swept().found.lost_executions == 1
    complete(redrives=1)
    assert swept().found.lost_executions == 0


@pytest.mark.parametrize(
    ("age", "due"),
    [
        (timedelta(seconds=60), False),
        (timedelta(seconds=61), True),
        (hours(24), True),
        (hours(25), False),
    ],
)
def test_an_end_is_looked_after_within_a_day(account: Account, age: timedelta, due: bool) -> None:
    account.ended("FAILED", [])
    assert swept(now=STOPPED + age).found.lost_executions == int(due)


def test_what_is_too_much_for_one_call_is_left_to_the_next(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "HANDED_AT_MOST", 1)
    for number in range(3):
        account.ended("FAILED", [], arn=f"{ARN}{number}")
        account.s3.put(f"v{number}/_MANIFEST.json")
    found = swept().found
    assert (found.lost_executions, found.lost_uploads, found.skipped) == (1, 1, 4)
    assert len(account.lambda_.invoked) == 2


@pytest.mark.parametrize(("status", "handed"), [("RUNNING", 0), ("ABORTED", 1), (None, 1)])
def test_the_end_of_what_holds_staging_is_handed_over_once(
    account: Account, status: str | None, handed: int
) -> None:
    if status:
        account.ended(status, [])
    account.hold_lock()
    swept()
    assert account.lambda_.invoked == [("end", {"execution_arn": ARN})] * handed


@pytest.mark.parametrize(("age", "freed"), [(hours(24), False), (hours(25), True)])
def test_staging_of_an_execution_that_cannot_be_ended_is_freed_after_a_day(
    account: Account, age: timedelta, freed: bool
) -> None:
    account.ended("FAILED", [])
    records.begin_end(TABLE, ARN, redrives=0, now=1)
    account.hold_lock()
    made = swept(now=STOPPED + age)
    assert made.given_up == [ARN] * freed
    assert len(account.lambda_.invoked) == (not freed)
    assert (records.lock(TABLE) is None) is freed


def test_staging_of_a_dead_reconciler_is_freed(account: Account) -> None:
    since = int(NOW.timestamp()) - logic.EXPIRY_HOLDS_SECONDS
    records.take_lock(TABLE, sweep.EXPIRY, now=since + 1)
    swept()
    assert records.lock(TABLE) is not None
    swept(now=NOW + timedelta(seconds=1))
    assert records.lock(TABLE) is None


def test_a_manifest_without_execution_is_started(account: Account) -> None:
    account.s3.put(MANIFEST)
    account.s3.put("v1/train/a.csv")
    account.s3.put("runs/k/1/x")
    account.s3.put("not a version!/_MANIFEST.json")
    found = swept().found
    asked = {
        "manifest_key": MANIFEST,
        "version_id": f"version-of-{MANIFEST}",
        "etag": "etag",
    }
    assert account.lambda_.invoked == [("start", asked)]
    assert found.lost_uploads == 1


def test_a_manifest_whose_execution_exists_has_lost_nothing(account: Account) -> None:
    account.s3.put(MANIFEST)
    name = execution_name("b", MANIFEST, f"version-of-{MANIFEST}")
    arn = f"{MACHINE.replace('stateMachine', 'execution')}:{name}"
    account.ended("RUNNING", [], arn=arn)
    swept()
    assert not account.lambda_.invoked


def test_an_upload_that_waits_for_the_first_image_is_started_once_there_is_one(
    account: Account,
    environment: Callable[..., None],
    context: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment(BUCKET_NAME="b", STATE_MACHINE_ARN=MACHINE, IMAGE_PARAMETER_NAME="image")
    account.step_functions, account.ssm.written = Starting(), []
    monkeypatch.setattr(aws, "step_functions", lambda: account.step_functions)
    account.s3.put(MANIFEST)
    key = {"manifest_key": MANIFEST, "version_id": f"version-of-{MANIFEST}"}
    assert start_run(key, context)["status"] == "WaitsForImage"

    def look(now: datetime) -> list[str]:
        before = len(account.lambda_.invoked)
        swept(now=now)
        handed = account.lambda_.invoked[before:]
        return [start_run(request, context)["status"] for _, request in handed]

    later = NOW + hours(24 * 9)
    assert [look(NOW), look(later)] == [[], []]
    account.ssm.written = [later, later + hours(1)]
    assert [look(later + hours(2)), look(later + hours(2))] == [["Started"], []]


@pytest.mark.parametrize(
    ("deployed", "written", "first_image", "lost"),
    [
        # hours ago: it waited for the image
        (72, 48, 1, True),
        (72, 72, 24, True),
        (72, 48, 25, False),
        # it was in the bucket before the deployment
        (72, 73, 1, False),
        # it did not wait
        (72, 48, 48, False),
        (72, 25, 26, False),
        (72, 24, 26, True),
        (72, 1, 71, True),
        (72, 0.01, 71, False),
        (72, 0.01, 0.005, False),
        # there is no image
        (72, 1, None, False),
    ],
)
def test_a_manifest_that_waited_is_missed_for_a_day_from_the_first_image_on(
    deployed: float, written: float, first_image: float | None, lost: bool
) -> None:
    before = Imageless(NOW - hours(deployed), NOW - hours(first_image)) if first_image else None
    version = DatasetVersion("v1", None, NOW - hours(written))
    assert logic.may_have_lost_its_run(version, NOW, before) is lost


def test_images_built_later_do_not_start_what_was_uploaded_long_ago(account: Account) -> None:
    account.s3.put(MANIFEST, at=STARTED + hours(1))
    account.ssm.written = [STARTED, STARTED + hours(400)]
    assert swept(now=STARTED + hours(401)).found.lost_uploads == 0


def test_files_without_a_manifest_are_sealed(account: Account) -> None:
    account.s3.put("v1/train/a.csv")
    account.s3.put("v2/notes.txt")
    account.s3.put("v3/train/")
    swept()
    assert account.lambda_.invoked == [("seal", {"dataset": "v1", "quiet_seconds": 300})]


@pytest.mark.parametrize(
    ("file_age", "manifest_age", "quiet_seconds", "unsealed"),
    [
        (hours(1), None, 300, True),
        (hours(1), hours(2), 300, True),
        (hours(2), hours(1), 300, False),
        (hours(1), hours(1), 300, False),
        (timedelta(seconds=420), None, 300, False),
        (timedelta(seconds=421), None, 300, True),
        (hours(25), None, 300, False),
        (hours(1), None, 0, False),
    ],
)
def test_files_are_unsealed_after_the_quiet_period_and_a_while(
    file_age: timedelta, manifest_age: timedelta | None, quiet_seconds: int, unsealed: bool
) -> None:
    manifest = NOW - manifest_age if manifest_age else None
    version = DatasetVersion("v1", NOW - file_age, manifest)
    assert logic.is_unsealed(version, NOW, quiet_seconds=quiet_seconds) is unsealed


@pytest.mark.parametrize(
    ("age", "lost"),
    [
        (timedelta(seconds=120), False),
        (timedelta(seconds=121), True),
        (hours(24), True),
        (hours(25), False),
    ],
)
def test_a_manifest_is_missed_after_a_while_for_a_day(age: timedelta, lost: bool) -> None:
    long_ago = Imageless(NOW - hours(200), NOW - hours(199))
    version = DatasetVersion("v1", None, NOW - age)
    assert logic.may_have_lost_its_run(version, NOW, long_ago) is lost


@pytest.mark.parametrize(
    ("status", "age", "seconds", "expired"),
    [
        ("InService", hours(2), 3600, True),
        ("InService", hours(1), 3600, False),
        ("InService", hours(2), 0, False),
        ("Updating", hours(2), 3600, False),
    ],
)
def test_only_staging_in_service_expires(
    status: str, age: timedelta, seconds: int, expired: bool
) -> None:
    endpoint = Endpoint(status, NOW - age)
    assert logic.is_expired(endpoint, NOW, time_to_live_seconds=seconds) is expired
    assert not logic.is_expired(None, NOW, time_to_live_seconds=seconds)


def test_staging_past_its_time_is_deleted_and_freed(account: Account) -> None:
    account.sagemaker.add_endpoint("InService", "c")
    assert swept(now=STARTED + hours(2)).found.expired_endpoints == 1
    assert account.sagemaker.endpoints[ENDPOINT]["EndpointStatus"] == "Deleting"
    assert records.lock(TABLE) is None
    assert swept(now=STARTED + hours(2)).found.expired_endpoints == 0


def test_an_endpoint_past_its_time_does_not_wait_for_the_uploads(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.sagemaker.add_endpoint("InService", "c")

    def time_runs_out(bucket: str) -> None:
        raise TimeoutError

    monkeypatch.setattr(gateway, "dataset_objects", time_runs_out)
    with pytest.raises(TimeoutError):
        swept(now=STARTED + hours(2))
    assert account.sagemaker.endpoints[ENDPOINT]["EndpointStatus"] == "Deleting"


def test_staging_of_a_run_does_not_expire(account: Account) -> None:
    account.ended("RUNNING", [])
    account.hold_lock()
    account.sagemaker.add_endpoint("InService", "c")
    assert swept(now=STARTED + hours(2)).found.expired_endpoints == 0
    assert account.sagemaker.endpoints[ENDPOINT]["EndpointStatus"] == "InService"


def test_staging_that_was_deployed_since_the_first_look_does_not_expire(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.sagemaker.add_endpoint("InService", "c")
    take = records.take_lock

    def deploy_and_take(*arguments: Any, **parameters: Any) -> bool:
        account.sagemaker.endpoints[ENDPOINT]["LastModifiedTime"] = STARTED + hours(2)
        return take(*arguments, **parameters)

    monkeypatch.setattr(records, "take_lock", deploy_and_take)
    assert swept(now=STARTED + hours(2)).found.expired_endpoints == 0
    assert account.sagemaker.endpoints[ENDPOINT]["EndpointStatus"] == "InService"
    assert records.lock(TABLE) is None


def test_an_endpoint_that_may_not_be_deleted_does_not_keep_staging(account: Account) -> None:
    account.sagemaker.add_endpoint("InService", "c")
    account.refused = {"delete_endpoint": "AccessDeniedException"}
    with pytest.raises(ReconcilingIncomplete, match="Staging endpoint: .*AccessDenied"):
        swept(now=STARTED + hours(2))
    assert records.lock(TABLE) is None


@pytest.mark.parametrize(
    ("operation", "part", "handed"),
    [("describe_endpoint", "Staging endpoint", 2), ("describe_execution", "Uploads", 1)],
)
def test_a_part_that_is_refused_does_not_stop_the_others(
    account: Account, operation: str, part: str, handed: int
) -> None:
    account.ended("FAILED", [])
    account.s3.put(MANIFEST)
    account.refused = {operation: "AccessDeniedException"}
    with pytest.raises(ReconcilingIncomplete, match=f"^{part}: .*AccessDenied"):
        swept()
    assert len(account.lambda_.invoked) == handed


def test_the_handler_returns_what_was_found(
    account: Account,
    environment: Callable[..., None],
    context: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    variables = ENVIRONMENT.model_dump(by_alias=True)
    environment(**{name: str(value) for name, value in variables.items()})
    account.s3.put(MANIFEST, at=datetime.now(UTC) - hours(1))
    account.ended("FAILED", [])
    account.step_functions.executions[ARN]["stopDate"] = datetime.now(UTC) - hours(25)
    account.hold_lock()
    found = handler({}, context)
    assert caplog.records[-1].levelname == "ERROR"
    assert found == {
        "lost_executions": 0,
        "repeated_executions": 0,
        "lost_uploads": 1,
        "expired_endpoints": 0,
        "skipped": 0,
    }
