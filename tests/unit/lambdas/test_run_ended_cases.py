"""What RunEnded does where AWS, people or other runs have done something else meanwhile."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from run_ended import cleaning
from run_ended.handler import handler
from run_ended.models import Outcome
from shared import records
from shared.errors import CleaningIncomplete, EventInvalid
from tests.unit.lambdas.account_in_memory import (
    ENVIRONMENT,
    FORMER,
    KEY,
    NOW,
    OTHER,
    RUN,
    RUN_FIELDS,
    TABLE,
    Account,
    failed,
    known,
)
from tests.unit.lambdas.run_endings import (
    SCENARIOS,
    aborted_while_registering,
    left,
    look,
    look_until_complete,
    text,
    unusable_input,
    update_to_undo,
)
from tests.unit.lambdas.sagemaker_in_memory import ARN, ENDPOINT, PACKAGE

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_a_notification_that_cannot_be_sent_is_sent_later(account: Account) -> None:
    update_to_undo(account)
    account.refused = {"publish": "KMSAccessDenied"}
    with pytest.raises(CleaningIncomplete, match="Sending the notification"):
        look()
    account.refused = {}
    look_until_complete(account, now=NOW + 1000)
    assert len(account.sns.published) == 1


def test_staging_that_never_comes_back_is_given_up_loudly(account: Account) -> None:
    update_to_undo(account)
    account.sagemaker.former_fails = True
    for _ in range(cleaning.REPAIRS):
        assert look().status == "Pending"
        account.sagemaker.settle()
    with pytest.raises(CleaningIncomplete, match="5 requests did not undo"):
        look()
    assert account.changes.count("update_endpoint") == cleaning.REPAIRS
    lock = records.lock(TABLE)
    assert lock is not None
    assert lock.holder == ARN


def test_a_former_config_that_is_gone_leaves_the_runs_own_in_service(account: Account) -> None:
    update_to_undo(account)
    del account.sagemaker.configs[FORMER]
    assert look().status == "Completed"
    assert left(account).endpoint == ("InService", RUN)
    assert RUN in left(account).configs
    assert RUN in left(account).models
    assert "ATTENTION: endpoint demo-staging is InService" in text(account)


def test_an_approved_version_stays_approved_and_is_told_of(account: Account) -> None:
    update_to_undo(account)
    account.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] = "Approved"
    look_until_complete(account)
    assert left(account).version == "Approved"
    assert "ATTENTION" in text(account)


def test_a_version_of_another_execution_is_not_touched(account: Account) -> None:
    update_to_undo(account)
    account.sagemaker.add_package(owner=OTHER)
    look_until_complete(account)
    assert left(account).version == "PendingManualApproval"


def test_a_version_that_its_lambda_registers_late_is_rejected(account: Account) -> None:
    aborted_while_registering(account)
    account.sagemaker.packages.clear()
    assert look().status == "Pending"
    account.sagemaker.add_package()
    account.s3.put(f"runs/{KEY}/version.json", {"model_package_arn": PACKAGE})
    assert look(now=NOW + 100).status == "Completed"
    assert left(account).version == "Rejected"
    assert len(account.sns.published) == 1


def test_a_version_that_is_recorded_is_found_before_any_listing_shows_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborted_while_registering(account)
    account.s3.put(f"runs/{KEY}/version.json", {"model_package_arn": PACKAGE})
    monkeypatch.setattr(account.sagemaker, "_listed_packages", lambda **_: iter(()))
    assert look().status == "Completed"
    assert left(account).version == "Rejected"


def test_a_completed_execution_does_not_keep_staging(account: Account) -> None:
    unusable_input(account)
    look()
    account.hold_lock()
    assert look().status == "Duplicate"
    assert records.lock(TABLE) is None


def test_a_config_that_some_other_endpoint_uses_stays(account: Account) -> None:
    update_to_undo(account)
    pending = {"PendingDeploymentSummary": {"EndpointConfigName": RUN}}
    account.sagemaker.add_endpoint("Updating", "x", name="somebodys", **pending)
    look_until_complete(account)
    assert {RUN} <= left(account).configs
    assert {RUN} <= left(account).models


def test_without_the_lock_the_endpoint_is_left_to_its_holder(account: Account) -> None:
    update_to_undo(account)
    records.release_lock(TABLE, ARN)
    account.hold_lock(OTHER)
    assert look().status == "Completed"
    assert left(account).endpoint == ("InService", RUN)
    assert left(account).lock == OTHER


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_an_execution_that_runs_again_is_left_alone(account: Account, status: str) -> None:
    update_to_undo(account)
    account.step_functions.executions[ARN]["status"] = status
    changes = len(account.changes)
    assert look().status == "Running"
    assert len(account.changes) == changes


def test_the_next_end_of_a_redriven_execution_is_another_end(account: Account) -> None:
    update_to_undo(account)
    look_until_complete(account)
    account.step_functions.executions[ARN]["redriveCount"] = 1
    update_to_undo(account)
    account.step_functions.executions[ARN]["redriveCount"] = 1
    look_until_complete(account)
    assert left(account) == SCENARIOS[update_to_undo]
    assert len(account.sns.published) == 2


def test_a_duplicate_run_is_completed_silently(account: Account) -> None:
    run = RUN_FIELDS | {"status": "Duplicate"}
    account.ended("SUCCEEDED", [("PrepareRun", {}), ("Duplicate", known() | {"run": run})])
    account.sagemaker.add_config(RUN)
    assert look() == Outcome("Completed", ARN, False)
    assert not account.sns.published
    assert left(account).configs == {RUN}


def test_the_last_log_lines_of_the_job_that_failed_are_told(account: Account) -> None:
    account.ended("FAILED", failed("TrainModel"), error="TrainingJobFailed")
    lines = [f"line {number}" for number in range(50)]
    account.logs.streams = {f"{RUN}/algo-1": lines, f"{RUN}-evaluate/x": ["other"]}
    look()
    assert "  line 30\n" in text(account)
    assert "  line 49\n" in text(account)
    assert "line 29" not in text(account)
    assert "other" not in text(account)


def test_long_log_lines_are_cut_to_what_is_read(account: Account) -> None:
    account.ended("FAILED", failed("TrainModel"), error="TrainingJobFailed")
    account.logs.streams = {f"{RUN}/algo-1": ["x" * 5000] * 30}
    look()
    assert text(account).count("x" * 1000) == 4


def test_the_endpoints_event_is_about_who_holds_staging(
    account: Account, environment: Callable[..., None], context: SimpleNamespace
) -> None:
    variables = ENVIRONMENT.model_dump(by_alias=True)
    environment(**{name: str(value) for name, value in variables.items()})
    event: dict[str, Any] = {"detail": {"EndpointName": ENDPOINT, "EndpointStatus": "IN_SERVICE"}}
    assert handler(event, context)["status"] == "Unknown"
    account.hold_lock("endpoint-expiry")
    assert handler(event, context)["status"] == "Unknown"
    records.release_lock(TABLE, "endpoint-expiry")
    update_to_undo(account)
    assert handler(event, context)["status"] == "Pending"
    account.sagemaker.settle()
    assert handler(event, context)["status"] == "Completed"
    assert handler({"execution_arn": ARN}, context)["status"] == "Duplicate"
    with pytest.raises(EventInvalid, match="RunEndedRequest"):
        handler({}, context)


def test_an_execution_that_is_forgotten_frees_staging(account: Account) -> None:
    account.hold_lock()
    assert look().status == "Unknown"
    assert records.lock(TABLE) is None
