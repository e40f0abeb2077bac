"""What an execution's history says of it: pure, and wary, since the input is anybody's.

Until PrepareRun has succeeded `$` is the execution's own input, in which somebody may have
written a `run`; nothing that it names may be touched.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from run_ended.models import (
    Context,
    Document,
    EndpointFields,
    Execution,
    Job,
    RegisteredFields,
    RequestFields,
    RunFields,
)
from shared.events import Request

Fields = TypeVar("Fields", bound=Request)
FIRST_STATE = "PrepareRun"
NEWEST = "the newest; which one that is was not found out"
REGISTERING = "RegisterModelVersion"
# Where every caught error leads: `$.failed` names the states that it came from.
EXPLAINING = frozenset({"ExplainFailure", "RunFailed", "RunFailedUnexplained"})
WITHOUT_HISTORY = Context(None, None, None, None, None)
NO_ERROR = {"TIMED_OUT": "States.Timeout", "ABORTED": "Aborted", "FAILED": "Failed"}


class Visit(NamedTuple):
    """A state that was entered, and with what."""

    name: str
    document: Document


def read_context(newest_first: Iterable[Mapping[str, Any]]) -> Context:
    """Read from an execution's events how far it came and in which state it ended.

    Parameters
    ----------
    newest_first
        Events of GetExecutionHistory in reverse; no more of them are asked for than needed.
    """
    last: Visit | None = None
    for visit in _visits(newest_first):
        last = visit._replace(name=last.name if last else visit.name)
        if last.document:
            break
    return _context(last) if last else WITHOUT_HISTORY


def _visits(newest_first: Iterable[Mapping[str, Any]]) -> Iterable[Visit]:
    for event in newest_first:
        details = event.get("stateEnteredEventDetails")
        if details:
            yield Visit(details["name"], _json_object(details.get("input")))


def _state(last: Visit) -> str:
    """Name the state that failed, not those that explain it; else the one that was running.

    The newest catcher wrote last; what stands before may have come with the input.
    """
    if last.name not in EXPLAINING:
        return last.name
    failed = last.document.get("failed")
    names = list(failed) if isinstance(failed, dict) else []
    return next((name for name in reversed(names) if name not in EXPLAINING), last.name)


def _context(last: Visit) -> Context:
    state = _state(last)
    known = {} if state == FIRST_STATE or state in EXPLAINING else last.document
    request = _fields(RequestFields, last.document)
    run = _fields(RunFields, known.get("run"))
    return Context(
        state=state,
        dataset=_dataset(run, request),
        run=run,
        registered=_fields(RegisteredFields, known.get("registered")) if run else None,
        endpoint=_fields(EndpointFields, known.get("endpoint")) if run else None,
        deployed=run is not None and "deployment" in known,
    )


def _dataset(run: RunFields | None, request: RequestFields | None) -> str | None:
    if run:
        return run.dataset.version
    return (request.dataset or NEWEST) if request else None


def _fields(model: type[Fields], document: object) -> Fields | None:
    try:
        return model.model_validate(document)
    except ValidationError:
        return None


def _json_object(text: object) -> Document:
    try:
        document = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def error_of(execution: Execution, context: Context) -> tuple[str, str]:
    """Return error and cause of an execution that did not succeed, whoever gave them."""
    error = execution.error or NO_ERROR.get(execution.status, execution.status)
    state = context.state or "a state that its history does not name"
    without_cause = {
        "TIMED_OUT": f"The execution did not end within its time; it was in {state}.",
        "ABORTED": f"StopExecution, which gave no cause; the execution was in {state}.",
    }
    cause = execution.cause or without_cause.get(execution.status, "No cause was given.")
    return error, " ".join(cause.split())


def jobs_of(run: RunFields) -> tuple[Job, ...]:
    """Return the jobs that a run may have started."""
    return (
        Job("Processing", run.validation_job_name),
        Job("Training", run.name),
        Job("Processing", run.evaluation_job_name),
    )


def job_of_state(context: Context) -> Job | None:
    """Return the job of the state in which the execution ended, if that state runs one."""
    if context.run is None:
        return None
    of_state = dict(
        zip(("ValidateDataset", "TrainModel", "EvaluateModel"), jobs_of(context.run), strict=True)
    )
    return of_state.get(context.state or "")
