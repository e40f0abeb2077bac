"""What acts on executions of the code pipeline: start, retry, stop, approve, reject."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlops.errors import MissingError, RequestError
from mlops.pipeline_abandon import abandon as abandon_execution
from mlops.pipeline_history import PipelineExecution
from mlops.pipelines import find_execution, read_history
from mlops.polling import looks
from mlops.project import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.target import Deployment

_STOP_SECONDS = 600.0
_LISTED_SECONDS = 60.0
_RESUME_SECONDS = 10.0
Answer = Literal["Approved", "Rejected"]
_COMMIT = re.compile(r"[0-9a-f]{40}")


def start_execution(deployment: Deployment, commit: str = "") -> PipelineExecution:
    """Start an execution, of the branch's newest commit unless another is named.

    Raises
    ------
    RequestError
        If `commit` cannot be a commit's full id, which the service asks for.
    MissingError
        If the repository has no such commit, as far as this account can tell.
    """
    codepipeline, pipeline = deployment.target.codepipeline, deployment.pipeline_name
    asked: dict[str, Any] = {}
    if commit:
        _require_commit(deployment, commit)
        definition: Any = codepipeline.get_pipeline(name=pipeline)["pipeline"]
        source = definition["stages"][0]["actions"][0]
        revision = {"actionName": source["name"], "revisionType": "COMMIT_ID"}
        asked["sourceRevisions"] = [{**revision, "revisionValue": commit}]
    started = codepipeline.start_pipeline_execution(name=pipeline, **asked)
    return _wait_until_listed(deployment, started["pipelineExecutionId"])


def _require_commit(deployment: Deployment, commit: str) -> None:
    if not _COMMIT.fullmatch(commit):
        raise RequestError(
            f"--commit is {commit[:60]!r}; expected all 40 hexadecimal digits, as "
            "`git rev-parse HEAD` prints them."
        )
    if deployment.clone_url is None:  # what a connection leads to, its source action will tell
        return
    client = deployment.target.codecommit
    repository = deployment.outputs("model-code")["RepositoryName"]
    try:
        client.get_commit(repositoryName=repository, commitId=commit)
    except client.exceptions.CommitIdDoesNotExistException as error:
        raise MissingError(
            f"repository {repository} has no commit {commit}. Push it first, or start the "
            f"newest: `{command(deployment.env, 'pipelines start')}`."
        ) from error


def _wait_until_listed(deployment: Deployment, execution_id: str) -> PipelineExecution:
    """Return an execution that was started right now as soon as the service lists it."""
    for _ in looks(_LISTED_SECONDS, every=deployment.target.poll_seconds):
        with suppress(MissingError):
            return find_execution(deployment, execution_id)
    return find_execution(deployment, execution_id)


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
        again = command(deployment.env, f"pipelines start --commit {execution.commit or 'COMMIT'}")
        raise RequestError(
            f"execution {execution.short_id} {state} and has no failed stage to retry. Start one "
            f"of the same commit: `{again}`."
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
    for _ in looks(_RESUME_SECONDS, every=deployment.target.poll_seconds):
        now = find_execution(deployment, before.id)
        if now.goes_on or now.updated != before.updated:
            return


def stop_execution(
    deployment: Deployment, execution: PipelineExecution, abandon: bool, reason: str
) -> PipelineExecution:
    """Stop an execution and return it once it has ended.

    Without `abandon` its actions that go on are awaited; with it its builds are stopped as well,
    and what it waits for besides, such as a run, is left alone.

    Raises
    ------
    RequestError
        If it has ended already, or it or a build of it does not end.
    """
    if not execution.goes_on:
        raise RequestError(
            f"execution {execution.short_id} ended {execution.status} already; nothing is left "
            f"to stop. See `{command(deployment.env, 'pipelines list')}`."
        )
    target, pipeline = deployment.target, deployment.pipeline_name
    if not abandon:
        target.codepipeline.stop_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution.id, abandon=False, reason=reason
        )
    elif left := abandon_execution(target, pipeline, execution.id, reason):
        raise RequestError(
            f"execution {execution.short_id} is abandoned, but {', '.join(left)} goes on still, "
            "although it was told to stop; its images may come into use. Look at it in the console."
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
    for _ in looks(seconds, every=deployment.target.poll_seconds):
        now = find_execution(deployment, execution.id)
        if not now.goes_on:
            return now
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
