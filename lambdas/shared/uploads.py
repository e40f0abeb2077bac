"""The event `Object Created` as EventBridge hands it to a Lambda."""

from typing import Annotated, Any

from pydantic import Field

from shared.errors import EventInvalid
from shared.events import Request, parse_request


class Bucket(Request):
    """The bucket of an event."""

    name: str


class S3Object(Request):
    """The object of an event: its key is not URL-encoded; unversioned buckets give no version."""

    key: Annotated[str, Field(min_length=1)]
    version_id: Annotated[str | None, Field(alias="version-id")] = None
    etag: str = ""


class ObjectCreated(Request):
    """Detail of the event, as far as it matters here."""

    bucket: Bucket
    object: S3Object


class UploadEvent(Request):
    """The whole event."""

    detail: ObjectCreated


def uploaded_object(event: dict[str, Any], bucket: str) -> S3Object:
    """Return the object that an event tells of.

    Raises
    ------
    EventInvalid
        If the event has another shape, or tells of another bucket.
    """
    detail = parse_request(UploadEvent, event).detail
    if detail.bucket.name != bucket:
        raise EventInvalid(
            f"s3://{detail.bucket.name}/{detail.object.key}: expected an object of bucket "
            f"{bucket}. Correct the rule that sent the event."
        )
    return detail.object
