"""Shapes that StartRun reads and returns."""

from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.datasets import Version
from shared.events import Request

Trigger = Literal["upload", "schedule", "reconciler"]


class ManifestRequest(Request):
    """A manifest whose event was lost."""

    manifest_key: Annotated[str, Field(min_length=1)]
    version_id: str | None = None
    etag: str = ""


class ScheduleRequest(Request):
    """An hour of the schedule; without a data set it is about the newest."""

    scheduled_time: AwareDatetime
    dataset: Version | None = None


class ExecutionInput(BaseModel):
    """What an execution is asked to do."""

    model_config = ConfigDict(frozen=True)

    trigger: Trigger
    dataset: str
    manifest_version_id: str | None = None
    hyperparameters: dict[str, str] = {}
    again: bool = False


class Start(NamedTuple):
    """An execution to start; its name makes repeated requests for it one."""

    name: str
    input: ExecutionInput


class StartResult(BaseModel):
    """What became of the request."""

    status: Literal["Started", "Duplicate", "NothingToTrain", "WaitsForImage"]
    execution_name: str | None = None
