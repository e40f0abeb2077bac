"""Executions of the code pipeline: which there are, what made them, what their actions did."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from mlops.errors import MissingError, RequestError, ResponseError
from mlops.pipeline_history import (
    ActionExecution,
    PipelineExecution,
    PipelineHistory,
    read_action,
    read_execution,
)
from mlops.polling import looks
from mlops.project import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.target import Deployment, Target

MAX_SEARCHED = 1000
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


def list_executions(deployment: Deployment, limit: int) -> list[PipelineExecution]:
    """Return the newest executions first."""
    return [each for _, each in zip(range(limit), _executions(deployment), strict=False)]


def _executions(deployment: Deployment) -> Iterator[PipelineExecution]:
    pages = deployment.target.codepipeline.get_paginator("list_pipeline_executions").paginate(
        pipelineName=deployment.pipeline_name, PaginationConfig={"MaxItems": MAX_SEARCHED}
    )
    for page in pages:
        for summary in page["pipelineExecutionSummaries"]:
            yield read_execution(summary)


def find_execution(deployment: Deployment, reference: str | None) -> PipelineExecution:
    """Find an execution by its id or the beginning of it; None is the newest.

    Raises
    ------
    RequestError
        If the reference is empty, as a shell variable that is not set leaves it.
    MissingError
        If there is no such execution, or several begin so.
    """
    seen = f"See `{command(deployment.env, 'pipelines list')}`"
    if reference is not None and not reference.strip():
        raise RequestError(f"EXECUTION is empty; expected an id or its beginning. {seen}.")
    found = []
    for each in _executions(deployment):
        if reference in (None, each.id):
            return each
        if each.id.startswith(reference or ""):
            found.append(each)
    if not found:
        which = f"execution {reference}" if reference else "execution yet"
        raise MissingError(f"no {which} of pipeline {deployment.pipeline_name}. {seen}.")
    if len(found) > 1:
        listed = ", ".join(each.id for each in found[:5])
        raise MissingError(
            f"{len(found)} executions begin with {reference}: {listed}. Give more of the id."
        )
    return found[0]


def require_commit(commit: str) -> None:
    """Refuse what cannot be a commit's id, or the beginning of one.

    Raises
    ------
    RequestError
        If it is not.
    """
    if not _COMMIT.fullmatch(commit):
        raise RequestError(
            f"--commit is {commit[:60]!r}; expected 7 to 40 hexadecimal digits, as "
            "`git rev-parse HEAD` prints them."
        )


def wait_for_commit(
    deployment: Deployment, commit: str, timeout_seconds: float = 60.0
) -> PipelineExecution:
    """Wait for the execution that a commit's push has started.

    Raises
    ------
    ResponseError
        If none has it within `timeout_seconds`; a commit that was pushed right after it may
        have been read in its place.
    """
    newest: list[PipelineExecution] = []
    for _ in looks(timeout_seconds, every=deployment.target.poll_seconds):
        newest = list_executions(deployment, 20)
        for each in newest:
            if each.commit.startswith(commit):
                return each
    read = f"{newest[0].short_id} of commit {newest[0].short_commit}" if newest else "none"
    raise ResponseError(
        f"no execution of pipeline {deployment.pipeline_name} has commit {commit} within "
        f"{timeout_seconds:.0f} s; the newest is {read}. Was it pushed, and to the branch of the "
        f"pipeline? See `{command(deployment.env, 'pipelines list')}`."
    )


def wait_for_execution(deployment: Deployment, timeout_seconds: float = 60.0) -> PipelineExecution:
    """Wait for the execution that a pipeline begins with when it is created.

    Raises
    ------
    ResponseError
        If none begins within `timeout_seconds`.
    """
    for _ in looks(timeout_seconds, every=deployment.target.poll_seconds):
        if newest := list_executions(deployment, 1):
            return newest[0]
    raise ResponseError(
        f"pipeline {deployment.pipeline_name} has begun no execution within "
        f"{timeout_seconds:.0f} s. See `{command(deployment.env, 'doctor --aws')}`."
    )


def read_actions(deployment: Deployment, execution_id: str) -> list[ActionExecution]:
    """Return what the actions of an execution did, the first one first."""
    return list_actions(deployment.target, deployment.pipeline_name, execution_id)


def list_actions(target: Target, pipeline: str, execution_id: str) -> list[ActionExecution]:
    """Return the actions of a pipeline's execution, whether its stack still tells of it or not."""
    pages = target.codepipeline.get_paginator("list_action_executions").paginate(
        pipelineName=pipeline, filter={"pipelineExecutionId": execution_id}
    )
    listed = [read_action(each) for page in pages for each in page["actionExecutionDetails"]]
    return sorted(listed, key=lambda action: action.started)


def read_history(deployment: Deployment, execution_id: str) -> PipelineHistory:
    """Read an execution and its actions as they are now."""
    # the execution first: what is read after its end is all that there is
    execution = find_execution(deployment, execution_id)
    return PipelineHistory(execution, read_actions(deployment, execution_id))


def watch(deployment: Deployment, execution_id: str) -> Iterator[PipelineHistory]:
    """Yield an execution's history again and again, the last one when it has ended."""
    while True:
        history = read_history(deployment, execution_id)
        yield history
        if not history.execution.goes_on:
            return
        time.sleep(deployment.target.poll_seconds)


def superseded_by(deployment: Deployment, execution: PipelineExecution) -> PipelineExecution | None:
    """Return the execution that went on in place of one: the next that was started."""
    newer: PipelineExecution | None = None
    for each in _executions(deployment):
        if each.id == execution.id:
            return newer
        newer = each
    return None
