"""An execution's events, read as the states it went through."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ENDINGS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}
_JOB_LOG_GROUPS = {
    "TrainingJobName": "/aws/sagemaker/TrainingJobs",
    "ProcessingJobName": "/aws/sagemaker/ProcessingJobs",
    "TransformJobName": "/aws/sagemaker/TransformJobs",
}


@dataclass(frozen=True)
class Job:
    """A SageMaker job that a state started, and where its log is."""

    name: str
    log_group: str


@dataclass
class StateVisit:
    """One visit of a state: a state in a loop has several."""

    name: str
    type: str
    entered: datetime
    exited: datetime | None = None
    status: str = "running"
    failures: int = 0
    error: str | None = None
    cause: str | None = None
    job: Job | None = None
    function: str | None = None
    """ARN of the Lambda that a state invoked."""
    request_id: str | None = None
    """Of the invocation that succeeded, where Step Functions tells it."""
    context: str = field(default="", repr=False)
    """What the state was entered with, as JSON."""

    @property
    def attempts(self) -> int:
        """Return how often the state was tried: each retry is billed as another."""
        return max(1, self.failures + (self.status == "succeeded"))

    def seconds(self, now: datetime) -> float:
        """Return how long the visit lasted, until `now` if it still does."""
        return max(0.0, ((self.exited or now) - self.entered).total_seconds())


@dataclass
class History:
    """What an execution has done so far, in the order of its visits."""

    visits: list[StateVisit] = field(default_factory=list)
    status: str = "RUNNING"
    error: str | None = None
    cause: str | None = None
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def failed_visit(self) -> StateVisit | None:
        """Return the first visit that went wrong: the state to look at."""
        return next((each for each in self.visits if each.status in ("failed", "caught")), None)

    @property
    def context(self) -> dict[str, Any]:
        """Return what the execution knew when it entered its last state."""
        known = (visit.context for visit in reversed(self.visits) if visit.context)
        return read_document(next(known, None))

    @property
    def transitions(self) -> int:
        """Return how many state transitions are billed: each visit, and each retry in it."""
        return sum(visit.attempts for visit in self.visits)

    def seconds(self, now: datetime | None = None) -> float:
        """Return the execution's length, until `now` if it still runs."""
        if self.started is None:
            return 0.0
        return ((self.ended or now or datetime.now(UTC)) - self.started).total_seconds()


def read_history(events: Iterable[Mapping[str, Any]]) -> History:
    """Turn ``GetExecutionHistory`` events into visits of states.

    An event belongs to the state of the event before it (``previousEventId``), which also holds
    where branches of a Parallel state interleave.
    """
    history = History()
    owners: dict[int, StateVisit | None] = {}
    for event in events:
        owner = owners.get(event.get("previousEventId", 0))
        owners[event["id"]] = _apply(history, owner, event)
    return history


def _apply(history: History, owner: StateVisit | None, event: Mapping[str, Any]) -> Any:
    kind, moment = str(event["type"]), event["timestamp"]
    details = _details(event)
    if kind == "ExecutionStarted":
        history.started = moment
    elif kind in _ENDINGS:
        _end(history, owner, kind, moment, details)
    elif kind.endswith("StateEntered"):
        owner = StateVisit(details["name"], kind.removesuffix("StateEntered"), moment)
        owner.context = details.get("input", "")
        history.visits.append(owner)
    elif owner is not None and kind.endswith("StateExited"):
        _exit(owner, moment)
    elif owner is not None:
        _note_task_event(owner, kind, details)
    return owner


def _details(event: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (value for key, value in event.items() if key.endswith("EventDetails"))
    return next(found, {})


def _exit(visit: StateVisit, moment: datetime) -> None:
    visit.exited = moment
    visit.status = "caught" if visit.status == "failing" else "succeeded"


def _note_task_event(visit: StateVisit, kind: str, details: Mapping[str, Any]) -> None:
    if kind.endswith(("Failed", "TimedOut", "Aborted")):
        visit.status = "failing"
        visit.failures += 1
        visit.error, visit.cause = details.get("error"), details.get("cause")
    elif kind == "TaskSucceeded":
        visit.status = "running"
        metadata = read_document(details.get("output")).get("SdkResponseMetadata", {})
        visit.request_id = metadata.get("RequestId") if isinstance(metadata, dict) else None
    elif kind == "TaskScheduled":
        parameters = read_document(details.get("parameters"))
        visit.job = _job(parameters) or visit.job
        visit.function = parameters.get("FunctionName") or visit.function


def _job(parameters: Mapping[str, Any]) -> Job | None:
    for key, group in _JOB_LOG_GROUPS.items():
        if key in parameters:
            return Job(str(parameters[key]), group)
    return None


def read_document(text: str | None) -> dict[str, Any]:
    """Read a JSON object, an empty one where there is none."""
    try:
        document = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _end(
    history: History,
    owner: StateVisit | None,
    kind: str,
    moment: datetime,
    details: Mapping[str, Any],
) -> None:
    history.status, history.ended = _ENDINGS[kind], moment
    history.error, history.cause = details.get("error"), details.get("cause")
    for visit in history.visits:
        if visit.exited is None:
            visit.exited = moment
            visit.status = "failed" if kind == "ExecutionFailed" else history.status.lower()
    if owner is not None and owner.status == "failed" and owner.error is None:
        owner.error, owner.cause = history.error, history.cause


def readable_cause(cause: str | None) -> str:
    """Find the sentence for people in a cause, which may be a service's JSON document."""
    if not cause:
        return ""
    try:
        document = json.loads(cause)
    except json.JSONDecodeError:
        return one_line(cause)
    if not isinstance(document, dict):
        return one_line(cause)
    for key in ("errorMessage", "FailureReason", "ExitMessage", "message", "Cause"):
        if document.get(key):
            return one_line(str(document[key]))
    return one_line(cause)
