"""What acts on executions of the code pipeline: retry, stop, approve, reject."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops.errors import MissingError, RequestError
from mlops.pipeline_history import PipelineExecution
from mlops.pipelines import find_execution, read_history
from mlops.project import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.target import Deployment

_STOP_SECONDS = 600.0
_RESUME_SECONDS = 10.0
Answer = Literal["Approved", "Rejected"]


def retry_stage(
    deployment: Deployment, execution: PipelineExecution, stage: str, all_actions: bool
) -> str:
    """Retry a stage of an execution, the one that failed unless named; return its name.

    Raises
    ------
    RequestError
        If it goes on, or no stage of it has failed.
    """
    history = read_history(deployment, execution.id)
    failed = history.failed_action
    chosen = stage or (failed.stage if failed else "")
    if execution.goes_on or not chosen:
        state = "goes on" if execution.goes_on else f"ended {execution.status}"
        raise RequestError(
            f"execution {execution.short_id} {state} and has no failed stage to retry. Start one "
            "with a commit: `git commit --allow-empty -m retry && git push`."
        )
    deployment.target.codepipeline.retry_stage_execution(
        pipelineName=deployment.pipeline_name,
        stageName=chosen,
        pipelineExecutionId=execution.id,
        retryMode="ALL_ACTIONS" if all_actions else "FAILED_ACTIONS",
    )
    _wait_until_resumed(deployment, execution)
    return chosen


def _wait_until_resumed(deployment: Deployment, before: PipelineExecution) -> None:
    """Return when a retry shows, or could have: until then it looks ended as before."""
    deadline = time.monotonic() + _RESUME_SECONDS
    while time.monotonic() < deadline:
        now = find_execution(deployment, before.id)
        if now.goes_on or now.updated != before.updated:
            return
        time.sleep(deployment.target.poll_seconds)


def stop_execution(
    deployment: Deployment, execution: PipelineExecution, abandon: bool, reason: str
) -> PipelineExecution:
    """Stop an execution and return it once it has ended.

    Without `abandon` its actions that go on are awaited; with it they are left alone.

    Raises
    ------
    RequestError
        If it has ended already, or does not end.
    """
    if not execution.goes_on:
        raise RequestError(
            f"execution {execution.short_id} ended {execution.status} already; nothing is left "
            f"to stop. See `{command(deployment.env, 'pipelines list')}`."
        )
    deployment.target.codepipeline.stop_pipeline_execution(
        pipelineName=deployment.pipeline_name,
        pipelineExecutionId=execution.id,
        abandon=abandon,
        reason=reason,
    )
    return wait_until_ended(deployment, execution)


def wait_until_ended(
    deployment: Deployment, execution: PipelineExecution, seconds: float = _STOP_SECONDS
) -> PipelineExecution:
    """Return an execution once it has ended.

    Raises
    ------
    RequestError
        If it goes on still after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = find_execution(deployment, execution.id)
        if not now.goes_on:
            return now
        time.sleep(deployment.target.poll_seconds)
    abandon = command(deployment.env, f"pipelines stop {execution.short_id} --abandon")
    raise RequestError(
        f"execution {execution.short_id} goes on still after {seconds:.0f} s, for one of its "
        f"actions does. Do not wait for that: `{abandon}`."
    )


@dataclass(frozen=True)
class Approval:
    """A manual approval that an execution waits for."""

    execution_id: str
    stage: str
    action: str
    token: str


def find_approval(deployment: Deployment, execution: PipelineExecution | None) -> Approval:
    """Return the approval that is waited for, of one execution or of any.

    Raises
    ------
    MissingError
        If there is none, or more than one.
    """
    state = deployment.target.codepipeline.get_pipeline_state(name=deployment.pipeline_name)
    found = [
        each for each in _approvals(state) if execution is None or each.execution_id == execution.id
    ]
    if len(found) == 1:
        return found[0]
    which = f"execution {execution.short_id}" if execution else "no execution"
    listed = ", ".join(f"{each.stage}/{each.action}" for each in found)
    raise MissingError(
        f"{len(found)} approvals are waited for: {listed}. Name the execution."
        if found
        else f"{which} of pipeline {deployment.pipeline_name} waits for an approval. See "
        f"`{command(deployment.env, 'pipelines list')}`."
    )


def _approvals(state: Any) -> Iterator[Approval]:
    for stage in state.get("stageStates", []):
        execution_id = stage.get("latestExecution", {}).get("pipelineExecutionId", "")
        for action in stage.get("actionStates", []):
            latest = action.get("latestExecution", {})
            if latest.get("token") and latest.get("status") == "InProgress":
                yield Approval(
                    execution_id, stage["stageName"], action["actionName"], latest["token"]
                )


def answer_approval(
    deployment: Deployment, approval: Approval, answer: Answer, reason: str
) -> None:
    """Approve or reject; the service keeps the reason."""
    deployment.target.codepipeline.put_approval_result(
        pipelineName=deployment.pipeline_name,
        stageName=approval.stage,
        actionName=approval.action,
        result={"summary": reason, "status": answer},
        token=approval.token,
    )
