"""What is made of a build, a revision and a failed action: the reason, in words for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline_failed.models import BUILD, RUN, SOURCE, Build, FailedAction, Failure, Source
from shared import notices
from shared.commands import mlops

FAILED = frozenset({"FAILED", "FAULT", "TIMED_OUT", "STOPPED"})
SHORT_ID = 8
SHORT_COMMIT = 7
BY_A_COMMIT = 'git commit --allow-empty -m "Try again" && git push'
ADVICE_FOR = {
    BUILD: "Mend the code and push a commit. If the code is not to blame, retry the stage.",
    RUN: "The training was not started. Mend what the reason names, then retry the stage.",
}
OF_A_SOURCE = "Mend what the reason names. A source is read anew with the next commit only."
ADVICE = "Mend what the reason names, then retry the stage or push a commit."


def build_of(described: Mapping[str, Any]) -> Build:
    """Return the part of a build's description that says why it failed."""
    phases = described.get("phases", [])
    failed: Mapping[str, Any] = next(
        (each for each in phases if each.get("phaseStatus") in FAILED), {}
    )
    logs = described.get("logs", {})
    return Build(
        status=described["buildStatus"],
        phase=failed.get("phaseType", ""),
        cause=_cause(failed),
        log_group=logs.get("groupName", ""),
        log_stream=logs.get("streamName", ""),
    )


def _cause(phase: Mapping[str, Any]) -> str:
    contexts = [
        ": ".join(part for part in (each.get("statusCode"), each.get("message")) if part)
        for each in phase.get("contexts", [])
    ]
    return "; ".join(filter(None, contexts)) or str(phase.get("phaseStatus", ""))


def source_of(revisions: Sequence[Mapping[str, Any]]) -> Source | None:
    """Return the commit of an execution; None where its source was not read."""
    for revision in revisions:
        if commit := revision.get("revisionId"):
            return Source(commit, _message(revision.get("revisionSummary", "")))
    return None


def _message(summary: str) -> str:
    """A connection's summary is a document with the message in it; CodeCommit's is the message."""
    try:
        document = json.loads(summary)
    except ValueError:
        document = None
    text = document.get("CommitMessage", "") if isinstance(document, dict) else summary
    return str(text).strip().partition("\n")[0]


def error_of(failed: FailedAction, details: Sequence[Mapping[str, Any]]) -> str:
    """Return what the pipeline itself says of an action that failed, from its tries."""
    for detail in details:
        result = detail.get("output", {}).get("executionResult", {})
        is_it = (detail.get("stageName"), detail.get("actionName")) == (failed.stage, failed.action)
        if is_it and result.get("externalExecutionId", "") == failed.result.external_id:
            message = result.get("errorDetails", {}).get("message", "")
            return str(message or result.get("externalExecutionSummary", ""))
    return ""


def reason(failed: FailedAction, failure: Failure) -> str:
    """Say in one line why the action failed, by who knows most of it."""
    build = failure.build
    if build and build.phase:
        said = f"The build is {build.status} in its phase {build.phase}: {build.cause}"
    elif build:
        said = f"The build is {build.status}"
    else:
        said = failed.result.summary or failure.error or failed.result.error_code
    return " ".join((said or "No reason was given.").split())


def subject(failed: FailedAction, failure: Failure, project: str, *, repeated: bool) -> str:
    """Return the notification's subject."""
    commit = f", commit {failure.source.commit[:SHORT_COMMIT]}" if failure.source else ""
    line = f"{project}: {failed.pipeline} failed in {failed.stage}{commit}"
    return notices.subject(line, repeated=repeated)


def notice(
    failed: FailedAction, failure: Failure, *, project: str, environment_name: str
) -> notices.Notice:
    """Return the notification before it is put into words."""
    build = failure.build
    where = f" ({build.log_group}, stream {build.log_stream})" if build else ""
    return notices.Notice(
        identity=f"{failed.execution_id}-{failed.stage}-{failed.result.external_id[-36:]}",
        thread=failed.execution_id,
        event_type=failed.state,
        project=project,
        heading=f"Pipeline {failed.pipeline} of {project}: stage {failed.stage} failed",
        facts=tuple(_facts(failed, failure)),
        log_title=f"Last log lines{where}",
        log=failure.log,
        next_steps=_next_steps(failed, environment_name),
        source=("Execution", f"{failed.pipeline} {failed.execution_id}"),
    )


def _facts(failed: FailedAction, failure: Failure) -> Iterator[tuple[str, str]]:
    yield "Stage", failed.stage
    yield "Action", f"{failed.action}, {failed.type.provider}"
    yield "Commit", _commit(failure.source)
    yield "Reason", reason(failed, failure)
    if failed.build_id:
        yield "Build", failed.build_id
    for problem in failure.unknown:
        yield "Not found out", problem
    if failed.type.category == SOURCE:
        yield "What to do", OF_A_SOURCE
    else:
        yield "What to do", ADVICE_FOR.get(failed.type.provider, ADVICE)


def _next_steps(failed: FailedAction, environment_name: str) -> tuple[str, ...]:
    if failed.type.category == SOURCE:
        return (mlops("doctor", environment_name), BY_A_COMMIT)
    execution = failed.execution_id[:SHORT_ID]
    verbs = ("logs", "retry") if failed.build_id else ("retry",)
    return tuple(mlops(f"pipelines {verb} {execution}", environment_name) for verb in verbs)


def _commit(source: Source | None) -> str:
    if source is None:
        return "unknown: the source was not read"
    return f"{source.commit}: {source.message}" if source.message else source.commit
