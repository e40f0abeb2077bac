"""The order in which DatasetSealer asks and decides."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat

from dataset_sealer import logic
from dataset_sealer.gateway import SealGateway
from dataset_sealer.models import (
    SealRequest,
    SealResult,
    Status,
    StoredObject,
    WrittenManifest,
)
from shared import records

# Small files are many waits for S3, large ones share the network.
READERS = 8


def seal(request: SealRequest, gateway: SealGateway, table: str) -> SealResult:
    """Give a data set version a manifest, unless it has one that still holds.

    Raises
    ------
    UploadInvalid
        If it has too many bytes or files for one.
    """
    version = request.dataset
    # First the manifest: files that come after it are then seen as newer.
    manifest = gateway.manifest(version)
    objects = logic.data_objects(gateway.objects(version))
    status = logic.status_before_reading(
        objects, manifest, now=datetime.now(UTC), quiet_seconds=request.quiet_seconds
    )
    if status is None:
        status = _compare_and_write(version, objects, manifest, gateway, table)
    return SealResult(status=status, files=len(objects))


def _compare_and_write(
    version: str,
    objects: Sequence[StoredObject],
    manifest: WrittenManifest | None,
    gateway: SealGateway,
    table: str,
) -> Status:
    listing = logic.listing_digest(objects, manifest)
    if manifest and records.sealed_listing(table, version) == listing:
        return "Unchanged"
    root = f"s3://{gateway.bucket}/{version}/"
    digests = _digests(root, version, objects, manifest, gateway)
    if logic.is_unchanged(manifest, digests):
        records.record_sealed(table, version, listing)
        return "Unchanged"
    content = logic.manifest_bytes(root, version, digests, created=datetime.now(UTC))
    return "Sealed" if gateway.write_manifest(version, content, manifest) else "Outrun"


def _digests(
    root: str,
    version: str,
    objects: Sequence[StoredObject],
    manifest: WrittenManifest | None,
    gateway: SealGateway,
) -> dict[StoredObject, str]:
    known = logic.sealed_files(manifest)
    unread = [each for each in objects if (each.key, each.version_id, each.size) not in known]
    logic.check_readable(root, unread)
    with ThreadPoolExecutor(READERS) as readers:
        read = dict(zip(unread, readers.map(gateway.sha256, repeat(version), unread), strict=True))
    return {
        each: read.get(each) or known[(each.key, each.version_id, each.size)] for each in objects
    }
