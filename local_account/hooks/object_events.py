"""The events of S3, as it sends them to EventBridge."""

import uuid
from contextvars import ContextVar
from typing import Any

from local_account.hooks.objects import of_an_upload_that_is_there
from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.eventbridge import EventBus, new_event

_REASONS = {"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject"}
_EMPTY = "d41d8cd98f00b204e9800998ecf8427e"  # the etag of a delete marker, which has no content
# moto puts the object that it completes, and tells of that too
_completing: ContextVar[bool] = ContextVar("completing", default=False)


class ObjectEvents:
    """Puts what happens to objects on the default bus, where their bucket asks for it."""

    def __init__(self, account: Account, bus: EventBus) -> None:
        self._account, self._bus = account, bus
        self._sequence = iter(range(1, 2**62))

    def created(self, bucket: Any, key: Any, reason: str) -> None:
        """Tell of an object that was written."""
        about = {"size": key.size, "etag": key.etag.strip('"')}
        if bucket.is_versioned:
            about["version-id"] = key.version_id
        self._send("Object Created", bucket, key.name, about, {"reason": reason})

    def deleted(self, bucket: Any, name: str, version_id: str, *, marked: bool) -> None:
        """Tell of an object, or of one version, that was deleted or hidden by a marker."""
        about = {"etag": _EMPTY} if marked else {}
        if version_id:
            about["version-id"] = version_id
        deletion = "Delete Marker Created" if marked else "Permanently Deleted"
        why = {"reason": "DeleteObject", "deletion-type": deletion}
        self._send("Object Deleted", bucket, name, about, why)

    def _send(
        self, kind: str, bucket: Any, key: str, about: dict[str, Any], why: dict[str, str]
    ) -> None:
        configuration = bucket.notification_configuration
        if configuration is None or configuration.event_bridge is None:
            return
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {"key": key, **about, "sequencer": f"{next(self._sequence):018X}"},
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": self._account.account_id,
            "source-ip-address": "127.0.0.1",
            **why,
        }
        self._bus.dispatch(new_event(self._account, "aws.s3", kind, [bucket.arn], detail))


def install(account: Account, bus: EventBus) -> None:
    """Send events of objects through the account's own bus."""
    events = ObjectEvents(account, bus)

    def created(original: Any) -> Any:
        def send(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
            name, _, how = str(getattr(event_name, "value", event_name)).rpartition(":")
            part_of_another = _completing.get() and how in ("Put", "Post")
            if name == "s3:ObjectCreated" and not part_of_another:
                events.created(bucket, key, _REASONS.get(how, how))

        return send

    def completed(original: Any) -> Any:
        def complete(self: Any, *args: Any, **kw: Any) -> Any:
            token = _completing.set(True)
            try:
                return original(self, *args, **kw)
            finally:
                _completing.reset(token)

        return complete

    def deleted(original: Any) -> Any:
        def delete_object(
            self: Any, bucket_name: str, key_name: str, version_id: str | None = None, **kw: Any
        ) -> Any:
            bucket = self.get_bucket(bucket_name)
            was_there = key_name in bucket.keys
            done, answer = original(self, bucket_name, key_name, version_id=version_id, **kw)
            if was_there or "version-id" in answer:
                version = str(answer.get("version-id", "")) if bucket.is_versioned else ""
                marked = bucket.is_versioned and version_id is None
                events.deleted(bucket, key_name, version, marked=marked)
            return done, answer

        return delete_object

    replace("moto.s3.notifications:_send_event_bridge_message", created)
    replace(
        "moto.s3.models:S3Backend.complete_multipart_upload",
        lambda original: completed(of_an_upload_that_is_there(original)),
    )
    replace("moto.s3.models:S3Backend.delete_object", deleted)
