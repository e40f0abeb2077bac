"""What people are told of a run's end: the wording, by protocol."""

import json
from collections.abc import Iterator
from functools import partial

from run_ended.cleaning import APPROVED
from run_ended.context import error_of, job_of_state
from run_ended.models import Ended
from shared.commands import mlops
from shared.errors import AFTER_MENDING_DATA, NOT_WORTH_A_RETRY

SUBJECT_LENGTH = 100
CAUSE_LENGTH = 4096
# The chat client shows no message with a longer title or description.
TITLE_LENGTH = 250
DESCRIPTION_LENGTH = 8000
CHAT_CAUSE_LENGTH = 2048
HINTS = {
    "States.DataLimitExceeded": "A state's input or output has more than 262,144 bytes: let the "
    "state pass an S3 URI instead.",
    "States.Runtime": "The state machine itself is wrong: a path, a choice or an intrinsic "
    "function did not fit its input.",
}


def subject(ended: Ended, project: str, *, repeated: bool) -> str:
    """One line of at most 100 printable ASCII characters, as SNS takes it."""
    execution = ended.execution
    what = "succeeded" if ended.execution.succeeded else f"{execution.status}: {_error(ended)[0]}"
    line = f"{'Repeated: ' if repeated else ''}{project}: run {execution.name} {what}"
    printable = "".join(each if " " <= each <= "~" else "?" for each in line)
    return printable[:SUBJECT_LENGTH].rstrip()


def messages(ended: Ended, project: str, *, title: str) -> dict[str, str]:
    """Return the message by protocol: a mail is read by people, https by the chat client."""
    text = _text(ended, project)
    return {"default": text, "email": text, "https": _chat(ended, project, title)}


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
        return (command("image push"), retry)
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


def _facts(ended: Ended, cause_length: int) -> Iterator[tuple[str, str]]:
    """What happened, where, and what is left: a name and one line each."""
    context = ended.context
    yield "Status", ended.execution.status
    if not ended.execution.succeeded:
        error, cause = _error(ended)
        yield "State", context.state or "unknown: the history could not be read"
        yield "Error", error
        yield "Cause", cause[:cause_length]
        if error in HINTS:
            yield "Hint", HINTS[error]
    yield "Data set", context.dataset or "unknown: the input could not be used"
    yield "Model version", _version(ended)
    yield "Staging", ended.staging.said
    for problem in ended.left:
        yield "Not cleaned up yet, is tried again", problem


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


def _text(ended: Ended, project: str) -> str:
    lines = [f"Run {ended.execution.name} of {project}", ""]
    lines += [f"{name}: {value}" for name, value in _facts(ended, CAUSE_LENGTH)]
    if ended.log:
        lines += ["", f"{_log_title(ended)}:", *(f"  {line}" for line in ended.log)]
    lines += ["", "Next:", *(f"  {step}" for step in next_steps(ended))]
    return "\n".join([*lines, "", f"Execution: {ended.execution.arn}", ""])


def _chat(ended: Ended, project: str, title: str) -> str:
    """Custom notification of the AWS chat client, schema 1.0, which renders Markdown."""
    lines = [f"*{name}:* {value}" for name, value in _facts(ended, CHAT_CAUSE_LENGTH)]
    if ended.log:
        fenced = "\n".join(ended.log).replace("```", "'''")
        lines += [f"*{_log_title(ended)}:*", f"```\n{fenced}\n```"]
    execution = ended.execution
    document = {
        "version": "1.0",
        "source": "custom",
        "id": f"{execution.name}-{execution.redrives}",
        "content": {
            "textType": "client-markdown",
            "title": title[:TITLE_LENGTH],
            "description": "\n".join(lines)[:DESCRIPTION_LENGTH],
            "nextSteps": [f"`{step}`" for step in next_steps(ended)],
        },
        "metadata": {
            "threadId": execution.name,
            "summary": title[:TITLE_LENGTH],
            "eventType": execution.status,
            "relatedResources": [execution.arn],
            "additionalContext": {"project": project},
        },
    }
    return json.dumps(document)
