"""Shapes that ExplainFailure reads and returns."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from shared.events import Request


class CaughtError(Request):
    """What a catcher keeps; a timeout has no cause."""

    error: Annotated[str, Field(alias="Error")]
    cause: Annotated[str, Field(alias="Cause")] = ""


class RegisteredVersion(Request):
    """What RegisterModelVersion left."""

    model_package_arn: str


class ExecutionState(Request):
    """The part of the execution's state that says what failed, and how far the run had come."""

    registered: RegisteredVersion | None = None
    failed: Annotated[dict[str, CaughtError], Field(min_length=1)]


class ExplainFailureRequest(Request):
    """The execution and what its catchers kept."""

    execution_arn: str
    state: ExecutionState


class Failure(BaseModel):
    """Error and cause of the execution."""

    error: str
    cause: str


class Job(BaseModel):
    """How SageMaker describes a job: training or processing."""

    kind: str
    name: str
    status: str
    reason: str
    exit_message: str


Document = dict[str, Any]
