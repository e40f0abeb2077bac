"""What counts as lost: pure decisions about what was listed.

Younger than a grace period, its event may still be on its way; older than a day, EventBridge
has given up as well, and a person has been told by the dead-letter queue.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.models import DatasetVersion, Endpoint, Imageless, ListedExecution, StoredObject
from shared.datasets import MANIFEST_NAME, SPLITS, is_version

DAY = timedelta(hours=24)
EXECUTION_GRACE = timedelta(seconds=60)
UPLOAD_GRACE = timedelta(seconds=120)
# So long a Lambda that died may have held staging.
EXPIRY_HOLDS_SECONDS = 300


def has_ended_lately(execution: ListedExecution, now: datetime) -> bool:
    """Whether an execution's end is old enough to be looked after, and not too old."""
    return EXECUTION_GRACE < now - execution.stopped <= DAY


def is_given_up(stopped: datetime | None, now: datetime) -> bool:
    """Whether the end of what holds staging was tried for so long that nobody may wait for it."""
    return stopped is not None and now - stopped > DAY


def dataset_versions(objects: Iterable[StoredObject]) -> list[DatasetVersion]:
    """Return the data set versions that a bucket's objects belong to."""
    files: dict[str, datetime] = {}
    manifests: dict[str, datetime] = {}
    for each in objects:
        name, _, key = each.key.partition("/")
        if key == MANIFEST_NAME:
            manifests[name] = each.last_modified
        elif key.partition("/")[0] in SPLITS and not key.endswith("/"):
            files[name] = max(each.last_modified, files.get(name, each.last_modified))
    names = sorted(name for name in files.keys() | manifests.keys() if is_version(name))
    return [DatasetVersion(name, files.get(name), manifests.get(name)) for name in names]


def may_have_lost_its_run(
    version: DatasetVersion, now: datetime, imageless: Imageless | None
) -> bool:
    """Whether a manifest is of an age at which its execution must exist.

    One that waited for the first image counts from then. What was in the bucket before the
    deployment did not wait for it.
    """
    written = version.manifest
    if written is None or imageless is None:
        return False
    waited = imageless.deployed <= written < imageless.first_image
    due = imageless.first_image if waited else written
    return now - written > UPLOAD_GRACE and now - due <= DAY


def is_unsealed(version: DatasetVersion, now: datetime, *, quiet_seconds: int) -> bool:
    """Whether files came after the manifest, or without one, and were quiet for long enough."""
    if quiet_seconds == 0 or version.newest_file is None:
        return False
    quiet = timedelta(seconds=quiet_seconds) + UPLOAD_GRACE
    if not quiet < now - version.newest_file <= DAY:
        return False
    return version.manifest is None or version.manifest < version.newest_file


def is_expired(endpoint: Endpoint | None, now: datetime, *, time_to_live_seconds: int) -> bool:
    """Whether staging has served for longer than it is to live without a new deployment."""
    if endpoint is None or time_to_live_seconds == 0 or endpoint.status != "InService":
        return False
    return now - endpoint.last_modified > timedelta(seconds=time_to_live_seconds)


def execution_arn(state_machine_arn: str, name: str) -> str:
    """ARN of an execution of a state machine."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
