"""Why an execution of the code pipeline did not succeed: the build or the run that failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops.builds import build_log, read_build, said_last
from mlops.errors import MissingError, PipelineError
from mlops.follow import LOG_LINES, log_of_failure
from mlops.history import readable_cause
from mlops.logs import state_log, visit_with_log
from mlops.pipelines import superseded_by
from mlops.project import command
from mlops.runs import execution_history

if TYPE_CHECKING:
    from mlops.pipeline_history import ActionExecution, PipelineHistory
    from mlops.target import Deployment

BUILD, RUN = "CodeBuild", "StepFunctions"
"""The providers of actions that have a log."""


@dataclass(frozen=True)
class Failure:
    """What went wrong in which action."""

    stage: str
    action: str
    where: str
    """The phase of a build, the state of a run, else the action's provider."""
    cause: str
    log: list[str] = field(default_factory=list)


def find_failure(deployment: Deployment, history: PipelineHistory) -> Failure | None:
    """Describe the action that failed; None where none did."""
    action = history.failed_action
    if action is None:
        return None
    where, cause, log = action.provider, action.remark, list[str]()
    if action.provider == BUILD and action.external_id:
        build = read_build(deployment.target, action.external_id)
        if build:
            where, cause = build.phase, build.cause or cause
            log = said_last(deployment.target, build, LOG_LINES)
    elif action.provider == RUN and action.external_id:
        run = execution_history(deployment.target, action.external_id)
        visit = run.failed_visit
        where = visit.name if visit else where
        told = readable_cause(run.cause)
        cause = f"{run.error}: {told}" if run.error else cause
        log = log_of_failure(deployment.target, run)
    return Failure(action.stage, action.name, where, cause or "no cause given", log)


def require_success(
    deployment: Deployment, history: PipelineHistory, failure: Failure | None
) -> None:
    """Raise what an execution ended of, if it did not succeed.

    Raises
    ------
    PipelineError
        With the stage, the place in it and the cause; or who superseded or stopped it.
    """
    execution = history.execution
    if execution.status == "Succeeded":
        return
    subject = f"execution {execution.short_id} of commit {execution.short_commit}"
    if execution.status == "Superseded":
        newer = superseded_by(deployment, execution)
        by = f" by {newer.short_id} of commit {newer.short_commit}" if newer else ""
        follow = newer.short_id if newer else ""
        raise PipelineError(
            f"{subject} was superseded{by}, which went on in its place. Follow that: "
            f"`{command(deployment.env, f'pipelines follow {follow}'.rstrip())}`."
        )
    if failure:
        logs = f"pipelines logs {execution.short_id} --stage {failure.stage}"
        raise PipelineError(
            f"{subject} failed in stage {failure.stage} ({failure.where}): "
            f"{failure.cause.rstrip('.')}. See `{command(deployment.env, logs)}`."
        )
    remark = f": {execution.remark.rstrip('.')}" if execution.remark else ""
    again = (
        f"pipelines start --commit {execution.commit}" if execution.commit else "pipelines start"
    )
    raise PipelineError(
        f"{subject} ended {execution.status}{remark}. Go on with a new commit or "
        f"`{command(deployment.env, again)}`."
    )


def action_with_log(history: PipelineHistory, stage: str | None) -> ActionExecution:
    """Choose an action: of the stage that is named, else the one that failed, else the last.

    Raises
    ------
    MissingError
        If there is none that wrote a log.
    """
    logging = [
        each for each in history.actions if each.provider in (BUILD, RUN) and each.external_id
    ]
    failed = history.failed_action
    if stage:
        found = [each for each in logging if each.stage.lower() == stage.lower()]
    else:
        found = [failed] if failed in logging and failed else logging
    if found:
        return found[-1]
    known = ", ".join(dict.fromkeys(each.stage for each in logging)) or "none yet"
    raise MissingError(
        f"{'stage ' + stage if stage else 'no stage'} has no log in execution "
        f"{history.execution.short_id}; stages with one: {known}. Name one with --stage."
    )


def action_log(deployment: Deployment, action: ActionExecution, lines: int) -> list[str]:
    """Return the last lines of an action's build, or of the run's job or Lambda that matters."""
    if action.provider == RUN:
        history = execution_history(deployment.target, action.external_id)
        return state_log(deployment.target, visit_with_log(history, None), lines)
    build = read_build(deployment.target, action.external_id)
    return build_log(deployment.target, build, lines) if build else []
