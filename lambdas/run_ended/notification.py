"""What people are told of a run's end: the facts and the next steps."""

from collections.abc import Iterator
from functools import partial

from run_ended.cleaning import APPROVED
from run_ended.context import error_of, job_of_state
from run_ended.models import Ended, RunFields
from shared import notices
from shared.commands import mlops
from shared.errors import AFTER_MENDING_DATA, NOT_WORTH_A_RETRY

HINTS = {
    "States.DataLimitExceeded": "A state's input or output has more than 262,144 bytes: let the "
    "state pass an S3 URI instead.",
    "States.Runtime": "The state machine itself is wrong: a path, a choice or an intrinsic "
    "function did not fit its input.",
}


def subject(ended: Ended, project: str, *, repeated: bool) -> str:
    """Return the notification's subject."""
    execution = ended.execution
    what = "succeeded" if execution.succeeded else f"{execution.status}: {_error(ended)[0]}"
    return notices.subject(f"{project}: run {execution.name} {what}", repeated=repeated)


def messages(ended: Ended, project: str, *, title: str) -> dict[str, str]:
    """Return the message by protocol."""
    execution = ended.execution
    notice = notices.Notice(
        identity=f"{execution.name}-{execution.redrives}",
        thread=execution.name,
        event_type=execution.status,
        project=project,
        heading=f"Run {execution.name} of {project}",
        facts=tuple(_facts(ended)),
        log_title=_log_title(ended),
        log=ended.log,
        next_steps=next_steps(ended),
        source=("Execution", execution.arn),
    )
    return notices.messages(notice, title=title)


def next_steps(ended: Ended) -> tuple[str, ...]:
    """Return what to type next, as it can be typed."""
    name, error = ended.execution.name, _error(ended)[0]
    command = partial(mlops, environment_name=ended.environment_name)
    show, retry = command(f"runs show {name}"), command(f"runs retry {name}")
    if ended.execution.succeeded:
        return _approval(ended) or (show,)
    if error in AFTER_MENDING_DATA:
        return (show, command("data publish FOLDER --version NEW"))
    if error == "ImageMissing":
        return (command("pipelines follow"), retry)
    if error in NOT_WORTH_A_RETRY:
        return (show,)
    return (show, retry)


def _approval(ended: Ended) -> tuple[str, ...]:
    if ended.version is None or ended.version.status != "PendingManualApproval":
        return ()
    return (
        f".venv/bin/aws sagemaker update-model-package --model-package-arn {ended.version.arn} "
        "--model-approval-status Approved",
    )


def _error(ended: Ended) -> tuple[str, str]:
    return error_of(ended.execution, ended.context)


def _facts(ended: Ended) -> Iterator[tuple[str, str]]:
    """What happened, where, and what is left: a name and one line each."""
    context = ended.context
    yield "Status", ended.execution.status
    if not ended.execution.succeeded:
        error, cause = _error(ended)
        yield "State", context.state or "unknown: the history could not be read"
        yield "Error", error
        yield "Cause", cause
        if error in HINTS:
            yield "Hint", HINTS[error]
    yield "Data set", context.dataset or "unknown: the input could not be used"
    if context.run and context.run.commit:
        yield "Commit", _commit(context.run)
    yield "Model version", _version(ended)
    yield "Staging", ended.staging.said
    for problem in ended.left:
        yield "Not cleaned up yet, is tried again", problem


def _commit(run: RunFields) -> str:
    by = f", {run.author}" if run.author else ""
    return f"{run.commit}{by}: {run.message}" if run.message else f"{run.commit}{by}"


def _version(ended: Ended) -> str:
    version = ended.version
    if version is None:
        return "none was registered."
    if ended.execution.succeeded:
        return f"{version.arn} is {version.status}."
    if version.status == APPROVED:
        return (
            f"ATTENTION: {version.arn} is Approved, although its run did not succeed. A person "
            "approved it, so it stays Approved: reject it unless that is meant."
        )
    return f"{version.arn} is {version.status}."


def _log_title(ended: Ended) -> str:
    job = job_of_state(ended.context)
    where = f" ({job.log_group}, streams {job.name}/)" if job else ""
    return f"Last log lines{where}"
