"""The manifest of a data set version: written by uploaders or the sealer, read by PrepareRun."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MANIFEST_BYTES = 4 * 1024 * 1024

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ManifestFile(BaseModel):
    """One file of a data set version; its key is relative to the version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, Field(min_length=1, max_length=1024)]
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    version_id: str | None = None


class Manifest(BaseModel):
    """`_MANIFEST.json`, written last: what a data set version consists of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    version: str
    created: datetime | None = None
    files: tuple[ManifestFile, ...]
