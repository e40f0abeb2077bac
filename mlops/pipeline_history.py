"""What CodePipeline tells of an execution and its actions, as the command line knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mlops.history import read_document

GOES_ON = ("InProgress", "Stopping")
_SHORT = 8
_SHORT_COMMIT = 7


@dataclass(frozen=True)
class PipelineExecution:
    """One execution of the pipeline, and what started it."""

    id: str
    status: str
    commit: str
    """Empty until the source has been read."""
    message: str
    trigger: str
    started: datetime
    updated: datetime
    remark: str = ""
    """Why it was stopped, or what the service says of its end."""

    @property
    def short_id(self) -> str:
        """Return enough of the id to find the execution by."""
        return self.id[:_SHORT]

    @property
    def short_commit(self) -> str:
        """Return what git shows of a commit's id."""
        return short_commit(self.commit)

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.status in GOES_ON

    @property
    def seconds(self) -> float | None:
        """Return its length, or None while it goes on."""
        return None if self.goes_on else (self.updated - self.started).total_seconds()


@dataclass(frozen=True)
class ActionExecution:
    """One try of an action: an action that is retried has several."""

    id: str
    stage: str
    name: str
    provider: str
    status: str
    started: datetime
    updated: datetime
    external_id: str = ""
    """The build's id or the execution's ARN, by the provider."""
    remark: str = ""
    """What the action says of itself: of a source, its commit; of a failure, the error."""

    @property
    def title(self) -> str:
        """Return how it is shown: most stages have one action, named like the stage."""
        return self.stage if self.stage == self.name else f"{self.stage}: {self.name}"

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.status == "InProgress"

    def seconds(self, now: datetime) -> float:
        """Return how long it took, until `now` if it goes on."""
        return max(0.0, ((now if self.goes_on else self.updated) - self.started).total_seconds())


@dataclass(frozen=True)
class PipelineHistory:
    """What an execution has done so far, its actions in the order of their starts."""

    execution: PipelineExecution
    actions: list[ActionExecution] = field(default_factory=list)

    @property
    def failed_action(self) -> ActionExecution | None:
        """Return the action that failed, unless another try of it did not."""
        latest = {(each.stage, each.name): each for each in self.actions}
        return next((each for each in latest.values() if each.status == "Failed"), None)

    def seconds(self, now: datetime | None = None) -> float:
        """Return the execution's length, until `now` if it goes on."""
        known = self.execution.seconds
        until = now or datetime.now(UTC)
        return (until - self.execution.started).total_seconds() if known is None else known


def read_execution(summary: Any) -> PipelineExecution:
    """Take an execution out of a list's summary of it."""
    revision: Any = next(iter(summary.get("sourceRevisions", [])), {})
    return PipelineExecution(
        id=summary["pipelineExecutionId"],
        status=summary["status"],
        commit=revision.get("revisionId", ""),
        message=_message(revision.get("revisionSummary", "")),
        trigger=summary.get("trigger", {}).get("triggerType", "-"),
        started=summary["startTime"],
        updated=summary["lastUpdateTime"],
        remark=summary.get("stopTrigger", {}).get("reason") or summary.get("statusSummary", ""),
    )


def read_action(detail: Any) -> ActionExecution:
    """Take an action out of a list's detail of it."""
    result = detail.get("output", {}).get("executionResult", {})
    error = result.get("errorDetails", {}).get("message", "")
    return ActionExecution(
        id=detail["actionExecutionId"],
        stage=detail["stageName"],
        name=detail["actionName"],
        provider=detail.get("input", {}).get("actionTypeId", {}).get("provider", "-"),
        status=detail["status"],
        started=detail["startTime"],
        updated=detail["lastUpdateTime"],
        external_id=result.get("externalExecutionId", ""),
        remark=_message(error or result.get("externalExecutionSummary", "")),
    )


def short_commit(commit: str) -> str:
    """Shorten a commit's id to what git shows of it; a dash where there is none."""
    return commit[:_SHORT_COMMIT] or "-"


def _message(summary: str) -> str:
    """Take the message out of what a source says: CodeCommit the message, a connection JSON."""
    document = read_document(summary) if summary.startswith("{") else {}
    return _first_line(str(document.get("CommitMessage", summary)))


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
