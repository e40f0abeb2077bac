"""Executions of the training state machine: which there are, what they did, why one failed."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.errors import MissingError, RequestError, ResponseError
from mlops.history import History, read_document, read_history
from mlops.polling import looks
from mlops.project import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

    from mlops.target import Deployment, Target

MANIFEST_NAME = "_MANIFEST.json"
MAX_SEARCHED = 1000


@dataclass(frozen=True)
class Run:
    """One execution, and what started it."""

    name: str
    execution_arn: str
    trigger: str
    dataset: str
    manifest_version_id: str
    status: str
    outcome: str
    started: datetime
    stopped: datetime | None

    @property
    def short_name(self) -> str:
        """Return enough of the name to find the run by: of a digest, the first digits do."""
        return re.sub(r"-([0-9a-f]{8})[0-9a-f]{8}$", r"-\1", self.name)

    @property
    def seconds(self) -> float | None:
        """Return the run's length, or None while it runs."""
        return (self.stopped - self.started).total_seconds() if self.stopped else None


def list_runs(deployment: Deployment, limit: int) -> list[Run]:
    """Return the newest executions first."""
    return [describe_run(deployment.target, arn) for arn in _execution_arns(deployment, limit)]


def find_run(deployment: Deployment, reference: str | None) -> Run:
    """Find a run by its ARN, its name or the beginning of its name; None is the newest.

    Raises
    ------
    RequestError
        If the reference is empty, as a shell variable that is not set leaves it.
    MissingError
        If there is no such run, or several begin so.
    """
    machine, target = deployment.state_machine_arn, deployment.target
    seen = f"See `{command(deployment.env, 'runs list')}`"
    if reference is not None and not reference.strip():
        raise RequestError(f"RUN is empty; expected a name, its beginning or an ARN. {seen}.")
    if reference and reference.startswith("arn:"):
        _require_execution_of(machine, reference, seen)
        return describe_run(target, reference)
    found = [arn for arn in _execution_arns(deployment) if _name(arn).startswith(reference or "")]
    if not found:
        raise MissingError(
            f"no run {reference or 'yet'} in {machine}. {seen}; "
            f"`{command(deployment.env, 'data publish FOLDER')}` starts one."
        )
    exact = [arn for arn in found if _name(arn) == reference]
    if reference and not exact and len(found) > 1:
        raise MissingError(
            f"{len(found)} runs begin with {reference}: {', '.join(map(_name, found[:5]))}. "
            "Give more of the name."
        )
    return describe_run(target, (exact or found)[0])


def _require_execution_of(machine: str, execution_arn: str, seen: str) -> None:
    """Refuse what is another state machine's: it would be shown, stopped or retried as ours."""
    beginning = machine.replace(":stateMachine:", ":execution:", 1) + ":"
    if not execution_arn.startswith(beginning):
        raise MissingError(f"{execution_arn} is no run of {machine}. {seen}.")


def _execution_arns(deployment: Deployment, limit: int = MAX_SEARCHED) -> list[str]:
    pages = deployment.target.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=deployment.state_machine_arn, PaginationConfig={"MaxItems": limit}
    )
    listed = [each for page in pages for each in page["executions"]]
    newest_first = sorted(listed, key=lambda each: each["startDate"], reverse=True)
    return [each["executionArn"] for each in newest_first]


def _name(execution_arn: str) -> str:
    return execution_arn.rpartition(":")[2]


def describe_run(target: Target, execution_arn: str) -> Run:
    """Read one execution."""
    described = target.stepfunctions.describe_execution(executionArn=execution_arn)
    asked = read_document(described.get("input"))
    return Run(
        name=described["name"],
        execution_arn=execution_arn,
        trigger=str(asked.get("trigger", "-")),
        dataset=str(asked.get("dataset") or "-"),
        manifest_version_id=str(asked.get("manifest_version_id") or ""),
        status=described["status"],
        outcome=_outcome(described),
        started=described["startDate"],
        stopped=described.get("stopDate"),
    )


def _outcome(described: DescribeExecutionOutputTypeDef) -> str:
    if described["status"] != "SUCCEEDED":
        return described.get("error", "") or "-"
    run = read_document(described.get("output")).get("run", {})
    return str(run.get("status", "-")) if isinstance(run, dict) else "-"


def machine_states(deployment: Deployment) -> dict[str, Any]:
    """Read the states of the deployed state machine, by name."""
    described = deployment.target.stepfunctions.describe_state_machine(
        stateMachineArn=deployment.state_machine_arn
    )
    states = read_document(described["definition"]).get("States", {})
    return states if isinstance(states, dict) else {}


def gate_limits(deployment: Deployment) -> dict[str, dict[str, float]]:
    """Read the limits of the quality gate from the deployed state machine, by metric."""
    reader = machine_states(deployment).get("ReadEvaluation", {})
    limits = reader.get("Parameters", {}).get("Payload", {}).get("limits", {})
    return limits if isinstance(limits, dict) else {}


def execution_history(target: Target, execution_arn: str) -> History:
    """Read what an execution has done so far."""
    pages = target.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=True
    )
    return read_history(event for page in pages for event in page["events"])


def watch(target: Target, execution_arn: str) -> Iterator[History]:
    """Yield an execution's history again and again, the last one when it has ended."""
    while True:
        history = execution_history(target, execution_arn)
        yield history
        if history.status != "RUNNING":
            return
        time.sleep(target.poll_seconds)


def wait_for_run(
    deployment: Deployment, dataset: str, version_id: str, timeout_seconds: float = 60.0
) -> Run:
    """Wait for the execution that one upload of a data set's manifest started.

    Raises
    ------
    ResponseError
        If the upload starts nothing within `timeout_seconds`.
    """
    for _ in looks(timeout_seconds, every=deployment.target.poll_seconds):
        for run in list_runs(deployment, limit=5):
            if (run.dataset, run.manifest_version_id) == (dataset, version_id):
                return run
    raise ResponseError(
        f"the upload of {dataset}/{MANIFEST_NAME} started no execution of "
        f"{deployment.state_machine_arn} within {timeout_seconds:.0f} s. Check that the rule on "
        "the bucket's Object Created events is enabled, and the dead-letter queue."
    )
