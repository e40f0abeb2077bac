"""Names of data set versions, of their manifests, and of the executions that manifests start."""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from shared.errors import UploadInvalid

MANIFEST_NAME = "_MANIFEST.json"
SPLITS = ("train", "validation")
# Where the pipeline keeps what runs write.
RESERVED_VERSION = "runs"
# Step Functions accepts 80 characters: slug, dash, digest or trigger and time.
SLUG_LENGTH = 40
VERSION_EXPECTED = (
    "a version that starts with a letter or digit, has at most 63 letters, digits, '.', '_' or "
    f"'-', and is not '{RESERVED_VERSION}'"
)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def is_version(name: str) -> bool:
    """Whether a data set version may have this name."""
    return _VERSION.fullmatch(name) is not None and name != RESERVED_VERSION


def _checked_version(name: str) -> str:
    if not is_version(name):
        raise ValueError(f"expected {VERSION_EXPECTED}")
    return name


Version = Annotated[str, AfterValidator(_checked_version)]


class StoredManifest(NamedTuple):
    """A data set version that has a manifest, and since when."""

    version: str
    last_modified: datetime


def newest(manifests: Iterable[StoredManifest]) -> str | None:
    """Return the version whose manifest was written last."""
    found = max(manifests, key=lambda each: (each.last_modified, each.version), default=None)
    return found.version if found else None


def manifest_key(version: str) -> str:
    """Key of a data set version's manifest."""
    return f"{version}/{MANIFEST_NAME}"


def dataset_version(bucket: str, key: str) -> str:
    """The data set version that a manifest's key names.

    Raises
    ------
    UploadInvalid
        If the key is no `<version>/_MANIFEST.json`, or the version is a reserved name.
    """
    version, slash, name = key.partition("/")
    if not slash or name != MANIFEST_NAME or not is_version(version):
        raise UploadInvalid(
            f"s3://{bucket}/{key}: expected <version>/{MANIFEST_NAME} with {VERSION_EXPECTED}. "
            "Upload the data set under such a version."
        )
    return version


def slug(version: str) -> str:
    """Form a version as a part of names that take lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", version.lower()).strip("-")


def short_slug(version: str) -> str:
    """Form a version's beginning as names of limited length take it."""
    return slug(version)[:SLUG_LENGTH].rstrip("-")


def execution_name(bucket: str, key: str, version_id: str | None, *, etag: str = "") -> str:
    """Name the execution that a manifest starts: the same object version, the same name.

    Parameters
    ----------
    version_id
        S3's version id; None or "null" in a bucket that keeps no versions, where the ETag tells
        one upload from the next.
    """
    revision = version_id if version_id not in (None, "", "null") else etag.strip('"')
    digest = hashlib.sha256(f"{bucket}/{key}?{revision}".encode()).hexdigest()
    return f"{short_slug(dataset_version(bucket, key))}-{digest[:16]}"


def scheduled_name(version: str, time: str) -> str:
    """Name the execution of a schedule's hour, which is given as YYYYMMDDTHHMMSS."""
    return f"{short_slug(version)}-scheduled-{time}"
