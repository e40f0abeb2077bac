"""Executions that have ended, and what must be left of them."""

import json
from collections.abc import Callable
from typing import NamedTuple

from run_ended.ending import end_what_ended
from run_ended.models import Outcome, RunEndedRequest
from shared import records
from tests.unit.lambdas.account_in_memory import (
    ENVIRONMENT,
    FORMER,
    NOW,
    RUN,
    TABLE,
    Account,
    failed,
    known,
)
from tests.unit.lambdas.sagemaker_in_memory import ARN, ENDPOINT, PACKAGE

REGISTERED = {"registered": {"model_package_arn": PACKAGE}}
DEPLOYED = {"deployment": {"arn": "endpoint"}}
UPDATING = {"endpoint": {"action": "Update", "former_config": FORMER}}
CREATING = {"endpoint": {"action": "Create", "former_config": None}}


def look(arn: str = ARN, *, request: str = "request-1", now: int = NOW) -> Outcome:
    asked = RunEndedRequest(execution_arn=arn)
    return end_what_ended(asked, ENVIRONMENT, claimant=request, now=now)


def look_until_complete(account: Account, *, now: int = NOW) -> int:
    """Look as often as events and the reconciler would, and return how often it took."""
    for number in range(1, 8):
        outcome = look(request=f"request-{now}-{number}", now=now + number)
        if outcome.status in ("Completed", "Duplicate"):
            return number
        account.sagemaker.settle()
    raise AssertionError("it does not come to an end")


class Left(NamedTuple):
    """What is there in the end."""

    endpoint: tuple[str, str] | None
    configs: set[str]
    models: set[str]
    version: str | None
    jobs: set[str]
    lock: str | None
    completed: bool


def left(account: Account) -> Left:
    sagemaker, lock = account.sagemaker, records.lock(TABLE)
    served = sagemaker.endpoints.get(ENDPOINT)
    return Left(
        (served["EndpointStatus"], served["EndpointConfigName"]) if served else None,
        set(sagemaker.configs),
        set(sagemaker.models),
        sagemaker.packages.get(PACKAGE, {}).get("ModelApprovalStatus"),
        {*sagemaker.training_jobs.values(), *sagemaker.processing_jobs.values()},
        lock.holder if lock else None,
        records.end(TABLE, ARN).completed,
    )


def text(account: Account, number: int = -1) -> str:
    return str(json.loads(account.sns.published[number]["Message"])["default"])


def unusable_input(account: Account) -> None:
    account.ended("FAILED", [], error="States.Runtime", cause="no input")


def training_timed_out(account: Account) -> None:
    account.ended("TIMED_OUT", [("PrepareRun", {}), ("TrainModel", known())])
    account.sagemaker.processing_jobs[f"{RUN}-validate"] = "Completed"
    account.sagemaker.training_jobs[RUN] = "InProgress"


def aborted_while_registering(account: Account) -> None:
    account.ended("ABORTED", [("PrepareRun", {}), ("RegisterModelVersion", known())])
    account.sagemaker.models[RUN] = account.step_functions.executions[ARN]["startDate"]
    account.sagemaker.add_package()


def deployed_and_failed(account: Account, former: bool) -> None:
    before = UPDATING if former else CREATING
    known_by_then = {**REGISTERED, **before, **DEPLOYED}
    account.ended("FAILED", failed("TestModel", **known_by_then), error="ModelTestFailed")
    account.sagemaker.add_package()
    if former:
        account.sagemaker.add_config(FORMER)
    account.sagemaker.add_config(RUN)
    account.sagemaker.add_endpoint("InService", RUN)
    account.hold_lock()


def update_to_undo(account: Account) -> None:
    deployed_and_failed(account, former=True)


def creation_to_undo(account: Account) -> None:
    deployed_and_failed(account, former=False)


def aborted_while_updating(account: Account) -> None:
    update_to_undo(account)
    account.step_functions.executions[ARN]["status"] = "ABORTED"
    account.sagemaker.add_endpoint("Updating", FORMER, next=RUN)


def succeeded(account: Account) -> None:
    account.ended("SUCCEEDED", [("RunSucceeded", known(**REGISTERED, **UPDATING))])
    account.sagemaker.add_package()
    for minutes, name in enumerate(("demo-v1-1aaaaaaaaa-1", "demo-v1-2aaaaaaaaa-1", FORMER, RUN)):
        account.sagemaker.add_config(name, minutes=minutes)
    account.sagemaker.add_config("demo-mine")
    account.sagemaker.add_endpoint("InService", RUN)
    account.hold_lock()


BASE = Left(None, set(), set(), None, set(), None, True)
SCENARIOS: dict[Callable[[Account], None], Left] = {
    unusable_input: BASE,
    training_timed_out: BASE._replace(jobs={"Completed", "Stopping"}),
    aborted_while_registering: BASE._replace(version="Rejected"),
    update_to_undo: BASE._replace(
        endpoint=("InService", FORMER), configs={FORMER}, models={FORMER}, version="Rejected"
    ),
    creation_to_undo: BASE._replace(version="Rejected"),
    aborted_while_updating: BASE._replace(
        endpoint=("InService", FORMER), configs={FORMER}, models={FORMER}, version="Rejected"
    ),
    succeeded: BASE._replace(
        endpoint=("InService", RUN),
        configs={FORMER, RUN, "demo-mine"},
        models={FORMER, RUN, "demo-mine"},
        version="PendingManualApproval",
    ),
}
