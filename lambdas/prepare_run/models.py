"""Shapes that PrepareRun reads and returns."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events import Request

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Bucket(Request):
    """The bucket of an event."""

    name: str


class S3Object(Request):
    """The object of an event; unversioned buckets give no version id."""

    key: str
    version_id: Annotated[str | None, Field(alias="version-id")] = None


class ObjectCreated(Request):
    """Detail of S3's event `Object Created`, as far as it matters here."""

    bucket: Bucket
    object: S3Object


class PrepareRunRequest(Request):
    """An uploaded manifest, and the settings that training gets."""

    execution_arn: str
    event: ObjectCreated
    hyperparameters: dict[str, str]


class ManifestFile(BaseModel):
    """One file of a data set version; its key is relative to the version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, Field(min_length=1, max_length=1024)]
    sha256: Sha256
    size: Annotated[int, Field(ge=1)]
    version_id: str | None = None


class Manifest(BaseModel):
    """`_MANIFEST.json`, written last: what a data set version consists of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    version: str
    created: datetime | None = None
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=2)]


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
