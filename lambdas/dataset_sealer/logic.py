"""Whether a data set version needs a manifest, and what it says."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from dataset_sealer.models import Status, StoredObject, WrittenManifest
from shared.canonical import json_sha256
from shared.datasets import SPLITS
from shared.errors import UploadInvalid
from shared.manifests import MANIFEST_BYTES, Manifest

# S3's clock and Lambda's differ by less.
CLOCKS_DIFFER_SECONDS = 2
# What is read in half of the Lambda's time, at 75 MB/s.
READ_BYTES = 32 * 1024**3


def data_objects(objects: Iterable[StoredObject]) -> list[StoredObject]:
    """Keep files of the splits; empty objects that end in a slash are a console's folders."""
    return sorted(
        each
        for each in objects
        if each.key.startswith(tuple(f"{split}/" for split in SPLITS))
        and not (each.key.endswith("/") and each.size == 0)
    )


def parsed_manifest(content: bytes) -> Manifest | None:
    """Return a manifest, or None where nothing can be learned from it."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        return None


def status_before_reading(
    objects: Sequence[StoredObject],
    manifest: WrittenManifest | None,
    *,
    now: datetime,
    quiet_seconds: int,
) -> Status | None:
    """Tell what can be told from the listing alone; None: the files must be looked at.

    An uploader's manifest says what the files have to be: one that is at least as new as every
    file stands, so that a damaged file fails its run instead of being sealed. One of ours says
    what the files were: it stands as long as they are the same, however late a large upload,
    which S3 dates by its beginning, came to its end.
    """
    if not objects:
        return "Empty"
    newest = max(each.last_modified for each in objects)
    if now - newest < timedelta(seconds=quiet_seconds - CLOCKS_DIFFER_SECONDS):
        return "NotQuiet"
    if manifest is None:
        return None
    if manifest.is_ours:
        listed = {(each.key, each.version_id, each.size) for each in objects}
        return "AlreadySealed" if listed == sealed_files(manifest).keys() else None
    return "AlreadySealed" if manifest.last_modified >= newest else None


def sealed_files(manifest: WrittenManifest | None) -> dict[tuple[str, str | None, int], str]:
    """Sha256 of the files that an earlier sealer read, by key, version id and size."""
    if manifest is None or manifest.content is None or not manifest.is_ours:
        return {}
    return {(each.key, each.version_id, each.size): each.sha256 for each in manifest.content.files}


def listing_digest(objects: Sequence[StoredObject], manifest: WrittenManifest | None) -> str:
    """Identify what was compared: these versions of the files with this one of the manifest."""
    files = [[each.key, each.version_id, each.size] for each in objects]
    return json_sha256([manifest.version_id if manifest else None, files])


def check_readable(root: str, objects: Iterable[StoredObject]) -> None:
    """Refuse what cannot be read in time.

    Raises
    ------
    UploadInvalid
        If the files without stored sha256 are too large together.
    """
    size = sum(each.size for each in objects if not each.has_sha256)
    if size > READ_BYTES:
        raise UploadInvalid(
            f"{root}: {size} bytes have no stored SHA256, expected at most {READ_BYTES} to be "
            "read. Upload with --checksum-algorithm SHA256, or upload a manifest last."
        )


def is_unchanged(manifest: WrittenManifest | None, digests: Mapping[StoredObject, str]) -> bool:
    """Whether the files have the bytes that the manifest says."""
    if manifest is None or manifest.content is None:
        return False
    said = {each.key: each.sha256 for each in manifest.content.files}
    return said == {each.key: sha256 for each, sha256 in digests.items()}


def manifest_bytes(
    root: str, version: str, digests: Mapping[StoredObject, str], *, created: datetime
) -> bytes:
    """Write the manifest of a version.

    Raises
    ------
    UploadInvalid
        If there are so many files that nobody would read it.
    """
    content = {
        "schema": 1,
        "version": version,
        "created": created.isoformat(timespec="seconds"),
        "files": [_entry(each, digests[each]) for each in sorted(digests)],
    }
    written = json.dumps(content, separators=(",", ":")).encode() + b"\n"
    if len(written) > MANIFEST_BYTES:
        raise UploadInvalid(
            f"{root}: {len(digests)} files make a manifest of {len(written)} bytes, expected at "
            f"most {MANIFEST_BYTES}. Put the rows into fewer files."
        )
    return written


def _entry(stored: StoredObject, sha256: str) -> dict[str, Any]:
    return {
        "key": stored.key,
        "sha256": sha256,
        "size": stored.size,
        "version_id": stored.version_id,
    }
