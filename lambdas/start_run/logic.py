"""Which execution a request is about."""

from datetime import UTC, datetime

from shared.datasets import dataset_version, execution_name, scheduled_name
from start_run.models import ExecutionInput, Start, Trigger


def start_of_manifest(
    bucket: str, key: str, *, version_id: str | None, etag: str, trigger: Trigger
) -> Start:
    """Return the execution of a manifest: whoever asks for it, its name is the same.

    Raises
    ------
    UploadInvalid
        If the key is not that of a manifest.
    """
    asked = ExecutionInput(
        trigger=trigger, dataset=dataset_version(bucket, key), manifest_version_id=version_id
    )
    return Start(execution_name(bucket, key, version_id, etag=etag), asked)


def start_of_schedule(version: str, scheduled_time: datetime) -> Start:
    """Return the execution of a schedule's hour; it reads the manifest that is there by then."""
    time = scheduled_time.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return Start(scheduled_name(version, time), ExecutionInput(trigger="schedule", dataset=version))
