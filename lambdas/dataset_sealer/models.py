"""Shapes that DatasetSealer reads and returns."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field

from shared.datasets import Version
from shared.events import Request
from shared.manifests import Manifest

Status = Literal["Empty", "NotQuiet", "AlreadySealed", "Unchanged", "Sealed", "Outrun"]


class SealRequest(Request):
    """A data set version, and how long no file of it must have come; 0: as it is."""

    dataset: Version
    quiet_seconds: Annotated[int, Field(ge=0)] = 0


class StoredObject(NamedTuple):
    """An object of a version; its key is relative to the version, its size in bytes."""

    key: str
    size: int
    version_id: str
    last_modified: datetime
    has_sha256: bool = False


class WrittenManifest(NamedTuple):
    """The manifest that a version has; `content` is None where it cannot be read as one."""

    content: Manifest | None
    etag: str
    version_id: str
    last_modified: datetime
    is_ours: bool


class SealResult(BaseModel):
    """What became of the version."""

    status: Status
    files: int
