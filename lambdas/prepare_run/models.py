"""Shapes that PrepareRun reads and returns."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.datasets import Version
from shared.events import Request

HyperparameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,255}$")]
HyperparameterValue = Annotated[str, Field(max_length=2500)]
Hyperparameters = dict[HyperparameterName, HyperparameterValue]
Trigger = Literal["upload", "schedule", "manual", "retry", "reconciler"]


class ExecutionInput(Request):
    """What an execution is asked to do; a mistyped name must not train something else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: Trigger = "manual"
    dataset: Version
    manifest_version_id: str | None = None
    hyperparameters: Hyperparameters = {}
    again: bool = False


class PrepareRunRequest(Request):
    """The execution's input, and the settings' hyperparameters."""

    execution_arn: str
    request: ExecutionInput
    hyperparameters: Hyperparameters


class PushedImage(BaseModel):
    """An image of the repository; untagged ones have no tags."""

    model_config = ConfigDict(frozen=True)

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime


class ImagePair(BaseModel):
    """The training image and the processing image built from the same code, by digest."""

    model_config = ConfigDict(frozen=True)

    training: str
    processing: str


class Claim(BaseModel):
    """Who runs an attempt of a run key."""

    model_config = ConfigDict(frozen=True)

    attempt: int
    execution_arn: str


class Dataset(BaseModel):
    """Where a data set version lies and what identifies it."""

    version: str
    digest: str
    uri: str
    train_uri: str
    validation_uri: str
    content_type: str


class Run(BaseModel):
    """What the rest of the state machine knows of the run."""

    status: Literal["New", "Duplicate"]
    trigger: Trigger
    duplicate_of: str | None
    run_key: str
    attempt: int
    name: str
    dataset: Dataset
    image: ImagePair
    hyperparameters: dict[str, str]
    settings_digest: str
    validation_job_name: str
    evaluation_job_name: str
    validation_uri: str
    training_uri: str
    evaluation_uri: str
