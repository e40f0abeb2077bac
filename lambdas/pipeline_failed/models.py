"""Shapes that PipelineFailed reads, and what its parts tell each other."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from shared.events import Request

BUILD, RUN = "CodeBuild", "StepFunctions"
SOURCE = "Source"


class ExecutionResult(Request):
    """What the service that carried the action out says of it, if it was begun at all."""

    external_id: Annotated[str, Field(alias="external-execution-id")] = ""
    summary: Annotated[str, Field(alias="external-execution-summary")] = ""
    error_code: Annotated[str, Field(alias="error-code")] = ""


class ActionType(Request):
    """Which service carries the action out, and as what."""

    provider: str
    category: str = ""


class FailedAction(Request):
    """Detail of the event."""

    pipeline: str
    execution_id: Annotated[str, Field(alias="execution-id")]
    stage: str
    action: str
    state: Literal["FAILED"]
    type: ActionType
    result: Annotated[ExecutionResult, Field(alias="execution-result")] = ExecutionResult()
    action_execution_id: Annotated[str, Field(alias="action-execution-id")] = ""

    @property
    def build_id(self) -> str:
        """The build that failed; nothing where none was started."""
        return self.result.external_id if self.type.provider == BUILD else ""

    @property
    def is_told_of_by_its_run(self) -> bool:
        """Whether it started an execution, whose end RunEnded tells of."""
        return self.type.provider == RUN and ":execution:" in self.result.external_id


class PipelineFailedRequest(Request):
    """The whole event."""

    id: str
    detail: FailedAction

    @property
    def key(self) -> str:
        """What this try of the action is known by, however often its event comes.

        A stage that is retried has the same execution and action, but starts another build.
        """
        failed = self.detail
        attempt = failed.action_execution_id or failed.result.external_id or self.id
        return ":".join(
            (failed.pipeline, failed.execution_id, failed.stage, failed.action, attempt)
        )


class Build(NamedTuple):
    """A build: in which phase it failed, why, and where its log is."""

    status: str
    phase: str
    cause: str
    log_group: str
    log_stream: str


class Source(NamedTuple):
    """The commit that the execution is about, as far as its source was read."""

    commit: str
    message: str


class Failure(NamedTuple):
    """All that a notification may tell; `unknown` is what could not be found out, and why."""

    source: Source | None
    build: Build | None
    error: str
    log: tuple[str, ...]
    unknown: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of one event."""

    status: Literal["Notified", "Duplicate", "ToldByRun"]
    pipeline: str
    execution_id: str
    stage: str
    action: str
