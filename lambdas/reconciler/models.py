"""Shapes that the reconciler reads and returns."""

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from shared.events import Request


class ReconcileRequest(Request):
    """The schedule says nothing but that it is time."""


class ListedExecution(NamedTuple):
    """An execution that has ended, as a listing has it."""

    arn: str
    stopped: datetime
    redrives: int


class Execution(NamedTuple):
    """An execution as it is now; `stopped` is None while it runs."""

    status: str
    stopped: datetime | None


class StoredObject(NamedTuple):
    """An object of the bucket."""

    key: str
    last_modified: datetime


class StoredManifest(NamedTuple):
    """A manifest as it is now; a bucket without versions tells uploads apart by the ETag."""

    version_id: str | None
    etag: str


class DatasetVersion(NamedTuple):
    """When files and manifest of a data set version were written last."""

    name: str
    newest_file: datetime | None
    manifest: datetime | None


class Imageless(NamedTuple):
    """The time before the first image: what was uploaded in it began no run then."""

    deployed: datetime
    first_image: datetime


class Endpoint(NamedTuple):
    """The staging endpoint as it is now."""

    status: str
    last_modified: datetime


class Found(BaseModel):
    """How much was made up for; `skipped` is left to the next call."""

    lost_executions: int = 0
    repeated_executions: int = 0
    lost_uploads: int = 0
    expired_endpoints: int = 0
    skipped: int = 0
