"""Shapes that UploadWatch makes and returns."""

from typing import Literal, NamedTuple

from pydantic import BaseModel


class Sealing(NamedTuple):
    """A one-time schedule that seals a data set version."""

    name: str
    expression: str
    version: str
    quiet_seconds: int


class WatchResult(BaseModel):
    """What became of the event."""

    status: Literal["Scheduled", "Ignored"]
    schedule_name: str | None = None
