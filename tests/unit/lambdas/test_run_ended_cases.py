"""What RunEnded does where AWS, people or other runs have done something else meanwhile."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from run_ended import cleaning
from run_ended.ending import end_what_ended
from run_ended.handler import handler
from run_ended.models import Outcome, RunEndedRequest
from shared import records
from shared.errors import CleaningIncomplete, EventInvalid
from tests.unit.lambdas.account_in_memory import (
    ENVIRONMENT,
    FORMER,
    INPUT,
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
    BASE,
    CREATING,
    SCENARIOS,
    UPDATING,
    aborted_while_registering,
    left,
    look,
    look_until_complete,
    succeeded,
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
    look_until_complete(account, now=NOW + 1)
    (message,) = account.sns.published
    assert not message["Subject"].startswith("Repeated")


def test_staging_that_never_comes_back_is_given_up_loudly(account: Account) -> None:
    update_to_undo(account)
    account.sagemaker.former_fails = True
    for _ in range(cleaning.REPAIRS):
        assert look().status == "Pending"
        account.sagemaker.settle()
    given_up = look()
    assert given_up.status == "Completed"
    assert "5 requests did not undo what this run changed" in given_up.given_up
    assert account.changes.count("update_endpoint") == cleaning.REPAIRS
    assert left(account).endpoint == ("InService", RUN)
    assert RUN in left(account).configs
    assert records.lock(TABLE) is None
    assert look().status == "Duplicate"


def event(status: str, redrives: int | None = None) -> RunEndedRequest:
    detail: dict[str, Any] = {"executionArn": ARN, "status": status}
    if redrives is not None:
        detail["redriveCount"] = redrives
    return RunEndedRequest.model_validate({"detail": detail})


@pytest.mark.parametrize("redrives", [None, 0, 1])
def test_an_event_that_is_ahead_of_the_description_is_tried_again(
    account: Account, redrives: int | None
) -> None:
    update_to_undo(account)
    described = account.step_functions.executions[ARN]
    described |= {"status": "RUNNING", "redriveCount": redrives or 0}
    changes = len(account.changes)
    with pytest.raises(CleaningIncomplete, match="DescribeExecution that it is RUNNING so far"):
        end_what_ended(event("FAILED", redrives), ENVIRONMENT, claimant="r", now=NOW)
    assert len(account.changes) == changes
    described["redriveCount"] = (redrives or 0) + 1
    outcome = end_what_ended(event("FAILED", redrives), ENVIRONMENT, claimant="r", now=NOW)
    assert outcome.status == "Running"


def test_a_deployment_that_shows_late_is_undone(account: Account) -> None:
    account.ended("ABORTED", [("PrepareRun", {}), ("UpdateEndpoint", known(**UPDATING))])
    account.sagemaker.add_config(FORMER)
    account.sagemaker.add_config(RUN)
    account.sagemaker.add_endpoint("InService", FORMER)
    account.hold_lock()
    assert look().status == "Pending"
    assert left(account).configs == {FORMER, RUN}
    assert left(account).lock == ARN
    account.sagemaker.add_endpoint("Updating", FORMER, next=RUN)
    look_until_complete(account)
    assert left(account).endpoint == ("InService", FORMER)
    assert left(account).configs == {FORMER}


def test_a_deployment_that_never_shows_is_forgotten(account: Account) -> None:
    account.ended("ABORTED", [("PrepareRun", {}), ("CreateEndpoint", known(**CREATING))])
    account.sagemaker.add_config(RUN)
    account.hold_lock()
    assert look(now=NOW + 54).status == "Pending"
    assert look(now=NOW + 55).status == "Completed"
    assert left(account) == BASE


def test_a_job_that_is_created_late_is_stopped(account: Account) -> None:
    account.ended("ABORTED", [("PrepareRun", {}), ("TrainModel", known())])
    assert look().status == "Pending"
    account.sagemaker.training_jobs[RUN] = "InProgress"
    assert look().status == "Completed"
    assert account.sagemaker.training_jobs[RUN] == "Stopping"


def test_the_end_of_a_duplicate_touches_nothing_of_the_run(account: Account) -> None:
    run = RUN_FIELDS | {"status": "Duplicate"}
    account.ended("ABORTED", [("PrepareRun", {}), ("IsRunNew", known() | {"run": run})])
    account.sagemaker.training_jobs[RUN] = "InProgress"
    account.sagemaker.add_config(RUN)
    assert look().status == "Completed"
    assert account.sagemaker.training_jobs[RUN] == "InProgress"
    assert (left(account).configs, left(account).models) == ({RUN}, {RUN})
    assert RUN not in text(account)


def test_configs_of_a_project_whose_name_begins_alike_are_not_counted_nor_deleted(
    account: Account,
) -> None:
    succeeded(account)
    theirs = {f"demo-two-v1-{number}aaaaaaaaa-1" for number in range(3)}
    for name in theirs:
        account.sagemaker.add_config(name, minutes=2)
    account.sagemaker.foreign_models = theirs
    look_until_complete(account)
    assert left(account).configs == {*SCENARIOS[succeeded].configs, *theirs}


def test_an_old_config_that_a_foreign_endpoint_serves_stays(account: Account) -> None:
    succeeded(account)
    account.sagemaker.add_endpoint("InService", "demo-v1-1aaaaaaaaa-1", name="somebodys")
    look_until_complete(account)
    assert left(account).configs == {*SCENARIOS[succeeded].configs, "demo-v1-1aaaaaaaaa-1"}


def test_a_throttled_history_is_waited_for_before_less_is_told(account: Account) -> None:
    update_to_undo(account)
    account.refused = {"get_paginator": "ThrottlingException"}
    with pytest.raises(CleaningIncomplete, match="lasted longer than all retries"):
        look()
    assert not account.sns.published
    with pytest.raises(CleaningIncomplete, match="Reading the history"):
        look(now=NOW + 120)
    assert "the history could not be read" in text(account)


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
    account.s3.put(f"runs/{KEY}/version.json", {"model_package_arn": PACKAGE, "execution_arn": ARN})
    assert look(now=NOW + 100).status == "Completed"
    assert left(account).version == "Rejected"
    assert len(account.sns.published) == 1


def test_a_version_that_is_recorded_is_found_before_any_listing_shows_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborted_while_registering(account)
    account.s3.put(f"runs/{KEY}/version.json", {"model_package_arn": PACKAGE, "execution_arn": ARN})
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


def test_a_run_without_any_data_set_is_completed_silently(account: Account) -> None:
    run = dict.fromkeys(RUN_FIELDS) | {"status": "NothingToTrain"}
    asked = INPUT | {"trigger": "code", "dataset": None}
    account.ended("SUCCEEDED", [("PrepareRun", asked), ("NothingToTrain", asked | {"run": run})])
    assert look() == Outcome("Completed", ARN, False)
    assert not account.sns.published


def test_a_failure_before_the_newest_data_set_was_found_says_so(account: Account) -> None:
    asked = INPUT | {"dataset": None}
    caught = asked | {"failed": {"PrepareRun": {"Error": "ImageMissing", "Cause": "none"}}}
    account.ended("FAILED", [("PrepareRun", asked), ("RunFailed", caught)], error="ImageMissing")
    look()
    assert "Data set: the newest; which one that is was not found out" in text(account)


def test_a_notification_names_the_commit_of_the_images(account: Account) -> None:
    run = RUN_FIELDS | {"commit": "c" * 40, "author": "Ada <ada@x>", "message": "Try eta"}
    account.ended("SUCCEEDED", [("RunSucceeded", known() | {"run": run})])
    look_until_complete(account)
    assert f"Commit: {'c' * 40}, Ada <ada@x>: Try eta\n" in text(account)


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


def test_staging_that_is_given_up_is_logged_as_an_error(
    account: Account,
    environment: Callable[..., None],
    context: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = ENVIRONMENT.model_dump(by_alias=True)
    environment(**{name: str(value) for name, value in variables.items()})
    monkeypatch.setattr(cleaning, "REPAIRS", 0)
    update_to_undo(account)
    assert handler({"execution_arn": ARN}, context)["status"] == "Completed"
    assert caplog.records[-1].levelname == "ERROR"


def test_the_endpoints_event_is_about_who_holds_staging(
    account: Account,
    environment: Callable[..., None],
    context: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
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
    assert {each.levelname for each in caplog.records} == {"INFO"}
    with pytest.raises(EventInvalid, match="RunEndedRequest"):
        handler({}, context)


def test_an_execution_that_is_forgotten_frees_staging(account: Account) -> None:
    account.hold_lock()
    assert look().status == "Unknown"
    assert records.lock(TABLE) is None
