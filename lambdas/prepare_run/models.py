"""Shapes that PrepareRun reads and returns."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.datasets import Version
from shared.events import Request

HyperparameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,255}$")]
HyperparameterValue = Annotated[str, Field(max_length=2500)]
Hyperparameters = dict[HyperparameterName, HyperparameterValue]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Trigger = Literal["upload", "schedule", "manual", "retry", "reconciler", "code"]


class ImagePair(BaseModel):
    """The training image and the processing image built from the same code, by digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: str
    processing: str


class BuiltImage(BaseModel):
    """A pair of images and the commit it was built from, as far as that is told."""

    model_config = ConfigDict(frozen=True)

    pair: ImagePair
    commit: Commit | None = None
    author: str = ""
    message: str = ""


class ExecutionInput(Request):
    """What an execution is asked to do; a mistyped name must not train something else.

    No data set means the newest; no image means what the pipeline built last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: Trigger = "manual"
    dataset: Version | None
    manifest_version_id: str | None = None
    hyperparameters: Hyperparameters = {}
    again: bool = False
    image: ImagePair | None = None
    commit: Commit | None = None
    author: str = ""
    message: str = ""

    @model_validator(mode="after")
    def _says_of_what(self) -> Self:
        if self.manifest_version_id and not self.dataset:
            raise ValueError("manifest_version_id is of no data set; give its dataset as well")
        if (self.commit or self.author or self.message) and not self.image:
            raise ValueError("commit, author and message are of no image; give its image as well")
        return self


class PrepareRunRequest(Request):
    """The execution's input, and the settings' hyperparameters."""

    execution_arn: str
    request: ExecutionInput
    hyperparameters: Hyperparameters


class PublishedImages(Request):
    """What the pipeline's build writes into the parameter."""

    training: str
    processing: str
    commit: Commit
    author: str = ""
    message: str = ""


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
    commit: str | None
    author: str
    message: str
    hyperparameters: dict[str, str]
    settings_digest: str
    validation_job_name: str
    evaluation_job_name: str
    validation_uri: str
    training_uri: str
    evaluation_uri: str
