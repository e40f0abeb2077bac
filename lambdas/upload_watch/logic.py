"""Which data set version a file belongs to, and when that one is sealed."""

import hashlib
import math
from datetime import UTC, datetime

from shared.datasets import RESERVED_VERSION, SPLITS, VERSION_EXPECTED, is_version, short_slug
from shared.errors import UploadInvalid
from upload_watch.models import Sealing


def version_of(bucket: str, key: str) -> str | None:
    """Return the data set version of a file; None for what runs write.

    Raises
    ------
    UploadInvalid
        If the file is not below `<version>/train/` or `<version>/validation/`.
    """
    version, _, rest = key.partition("/")
    if version == RESERVED_VERSION:
        return None
    split, slash, _ = rest.partition("/")
    if not is_version(version) or split not in SPLITS or not slash:
        raise UploadInvalid(
            f"s3://{bucket}/{key}: expected <version>/train/... or <version>/validation/... with "
            f"{VERSION_EXPECTED}. Upload the file under such a version."
        )
    return version


def sealing_of(version: str, *, now: float, quiet_seconds: int) -> Sealing:
    """Plan to seal a version after the quiet period, counted from now (epoch seconds).

    Schedules know whole seconds: a started one counts as a whole, so that no file is too late.
    """
    at = datetime.fromtimestamp(math.ceil(now) + quiet_seconds, UTC)
    digest = hashlib.sha256(version.encode()).hexdigest()
    return Sealing(
        name=f"{short_slug(version)}-{digest[:12]}",
        expression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        version=version,
        quiet_seconds=quiet_seconds,
    )
