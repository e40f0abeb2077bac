"""What is sealed, what stands as it is, and what is read for it."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from dataset_sealer import logic, sealing
from dataset_sealer.gateway import MARK, SealGateway
from dataset_sealer.handler import handler
from dataset_sealer.models import SealRequest, StoredObject, WrittenManifest
from prepare_run.logic import parse_manifest
from shared import records
from shared.errors import EventInvalid, UploadInvalid
from shared.manifests import MANIFEST_BYTES

TABLE = "runs"
LONG = "train/" + "k" * (1024 - len("v1.0/train/.csv")) + ".csv"
FILES = {
    "train/batch one+a %2e.csv": b"a",
    "train/grüße/データ.csv": b"b",
    LONG: b"c",
    "validation/v.csv": b"d",
}
Stub = Callable[[str], Stubber]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


class MemoryGateway(SealGateway):
    """A bucket in memory, whose clock stands still unless it is moved."""

    def __init__(self) -> None:
        super().__init__("acme-data")
        self.now = datetime(2026, 5, 4, tzinfo=UTC)
        self.stored: dict[str, tuple[StoredObject, bytes]] = {}
        self.written: WrittenManifest | None = None
        self.bytes = b""
        self.reads: list[str] = []
        self.before_write: Callable[[], object] = lambda: None
        self.count = 0

    def upload(self, key: str, content: bytes) -> None:
        self.count += 1
        stored = StoredObject(key, len(content), f"version-{self.count}", self.now)
        self.stored[key] = (stored, content)

    def upload_manifest(self, content: bytes, *, is_ours: bool = False) -> None:
        self.count += 1
        parsed, mark = logic.parsed_manifest(content), f"version-{self.count}"
        self.bytes, self.written = content, WrittenManifest(parsed, mark, mark, self.now, is_ours)

    def objects(self, version: str) -> Iterator[StoredObject]:
        return (stored for stored, _ in self.stored.values())

    def manifest(self, version: str) -> WrittenManifest | None:
        return self.written

    def sha256(self, version: str, stored: StoredObject) -> str:
        self.reads.append(stored.key)
        return hashlib.sha256(self.stored[stored.key][1]).hexdigest()

    def write_manifest(
        self, version: str, content: bytes, replaced: WrittenManifest | None
    ) -> bool:
        self.before_write()
        if self.written != replaced:
            return False
        self.upload_manifest(content, is_ours=True)
        return True


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryGateway:
    listings: dict[str, str] = {}
    monkeypatch.setattr(records, "sealed_listing", lambda table, version: listings.get(version))
    monkeypatch.setattr(
        records,
        "record_sealed",
        lambda table, version, listing: listings.update({version: listing}),
    )
    gateway = MemoryGateway()
    for key, content in FILES.items():
        gateway.upload(key, content)
    return gateway


def seal(gateway: MemoryGateway, quiet_seconds: int = 0) -> str:
    request = SealRequest(dataset="v1.0", quiet_seconds=quiet_seconds)
    return sealing.seal(request, gateway, TABLE).status


def later(gateway: MemoryGateway, seconds: float = 60) -> None:
    gateway.now += timedelta(seconds=seconds)


def manifest(gateway: MemoryGateway, **changed: str) -> bytes:
    """What an uploader writes: without version ids."""
    files = [
        {"key": key, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for key, (_, content) in gateway.stored.items()
    ]
    entries = [
        entry | {"sha256": changed.get(str(entry["key"]), entry["sha256"])} for entry in files
    ]
    return json.dumps({"schema": 1, "version": "v1.0", "files": entries}).encode()


def test_a_version_without_manifest_gets_one_that_prepare_run_accepts(
    bucket: MemoryGateway,
) -> None:
    assert seal(bucket) == "Sealed"
    written = parse_manifest(bucket.bytes, "s3://acme-data/v1.0/_MANIFEST.json", "v1.0")
    assert {each.key: each.sha256 for each in written.files} == {
        key: hashlib.sha256(content).hexdigest() for key, content in FILES.items()
    }
    ids = {stored.key: stored.version_id for stored, _ in bucket.stored.values()}
    assert {each.key: each.version_id for each in written.files} == ids


def test_a_repeated_request_finds_the_manifest_and_reads_nothing(bucket: MemoryGateway) -> None:
    seal(bucket)
    bucket.reads.clear()
    assert [seal(bucket), seal(bucket)] == ["AlreadySealed", "AlreadySealed"]
    assert bucket.reads == []


def test_a_version_without_files_gets_none(bucket: MemoryGateway) -> None:
    bucket.stored.clear()
    bucket.upload("README.md", b"x")
    bucket.upload("", b"")
    bucket.upload("train/", b"")
    assert seal(bucket) == "Empty"
    assert bucket.written is None


def test_folders_of_a_console_and_files_beside_the_splits_are_not_sealed(
    bucket: MemoryGateway,
) -> None:
    for key in ("", "train/", "validation/deep/", "README.md", "trainer/x.csv"):
        bucket.upload(key, b"" if key.endswith("/") or not key else b"x")
    seal(bucket)
    assert {each["key"] for each in json.loads(bucket.bytes)["files"]} == FILES.keys()


def test_an_uploader_s_manifest_that_is_as_new_as_the_files_stands(bucket: MemoryGateway) -> None:
    damaged = manifest(bucket, **{"validation/v.csv": "0" * 64})
    bucket.upload_manifest(damaged)
    assert seal(bucket) == "AlreadySealed"
    assert (bucket.bytes, bucket.reads) == (damaged, [])


def test_a_file_that_comes_after_the_uploader_s_manifest_is_sealed(bucket: MemoryGateway) -> None:
    bucket.upload_manifest(manifest(bucket))
    later(bucket)
    bucket.upload("train/late.csv", b"late")
    assert seal(bucket) == "Sealed"
    assert "train/late.csv" in {each["key"] for each in json.loads(bucket.bytes)["files"]}


def test_the_same_bytes_again_change_nothing_and_are_read_once(bucket: MemoryGateway) -> None:
    seal(bucket)
    later(bucket)
    bucket.upload("validation/v.csv", b"d")
    before, bucket.reads = bucket.bytes, []
    assert [seal(bucket), seal(bucket)] == ["Unchanged", "Unchanged"]
    assert bucket.bytes == before
    assert bucket.reads == ["validation/v.csv"]


def test_only_files_that_changed_are_read_again(bucket: MemoryGateway) -> None:
    seal(bucket)
    later(bucket)
    bucket.upload("validation/v.csv", b"other")
    bucket.reads.clear()
    assert seal(bucket) == "Sealed"
    assert bucket.reads == ["validation/v.csv"]


def test_what_an_uploader_says_of_a_file_is_not_taken_as_read(bucket: MemoryGateway) -> None:
    bucket.upload_manifest(manifest(bucket, **{"validation/v.csv": "0" * 64}))
    later(bucket)
    bucket.upload(LONG, b"new")
    seal(bucket)
    assert sorted(bucket.reads) == sorted(FILES)


def test_a_large_upload_that_began_before_the_sealing_and_ended_after_it_is_sealed(
    bucket: MemoryGateway,
) -> None:
    begun = bucket.now
    later(bucket)
    seal(bucket)
    bucket.now = begun
    bucket.upload("train/large.csv", b"large")
    assert seal(bucket) == "Sealed"


def test_a_file_that_is_gone_is_sealed_as_gone(bucket: MemoryGateway) -> None:
    seal(bucket)
    del bucket.stored[LONG]
    assert seal(bucket) == "Sealed"
    assert LONG not in {each["key"] for each in json.loads(bucket.bytes)["files"]}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_manifest_that_cannot_be_read_is_replaced_once_it_is_old(
    bucket: MemoryGateway, content: bytes
) -> None:
    bucket.upload_manifest(content)
    assert seal(bucket) == "AlreadySealed"
    later(bucket)
    bucket.upload("validation/v.csv", b"d")
    assert seal(bucket) == "Sealed"


def test_a_manifest_written_meanwhile_stands(bucket: MemoryGateway) -> None:
    theirs = manifest(bucket)
    bucket.before_write = lambda: bucket.upload_manifest(theirs)
    assert seal(bucket) == "Outrun"
    assert bucket.bytes == theirs


def test_a_file_that_came_just_now_leaves_the_sealing_to_its_own_event(
    bucket: MemoryGateway,
) -> None:
    bucket.now = datetime.now(UTC)
    bucket.upload("train/late.csv", b"x")
    assert seal(bucket, quiet_seconds=300) == "NotQuiet"
    assert bucket.written is None
    assert seal(bucket) == "Sealed"


def test_clocks_that_differ_a_little_lose_no_upload(bucket: MemoryGateway) -> None:
    bucket.now = datetime.now(UTC) - timedelta(seconds=4)
    bucket.upload("train/late.csv", b"x")
    assert seal(bucket, quiet_seconds=5) == "Sealed"


def test_a_manifest_that_nobody_would_read_is_refused(bucket: MemoryGateway) -> None:
    for number in range(MANIFEST_BYTES // 900):
        bucket.upload(f"train/{number:0900}.csv", b"x")
    with pytest.raises(UploadInvalid, match="s3://acme-data/v1.0/: 4664 files make a manifest of"):
        seal(bucket)


def test_what_cannot_be_read_in_time_is_refused_before_it_is_read(bucket: MemoryGateway) -> None:
    huge = StoredObject("train/huge.csv", logic.READ_BYTES + 1, "v", bucket.now)
    bucket.stored["train/huge.csv"] = (huge, b"")
    with pytest.raises(UploadInvalid, match="have no stored SHA256, expected at most"):
        seal(bucket)
    assert bucket.reads == []
    bucket.stored["train/huge.csv"] = (huge._replace(has_sha256=True), b"")
    assert seal(bucket) == "Sealed"


# Requests, as botocore checks them.

STORED = StoredObject("train/a b+c.csv", 3, "one", datetime(2026, 5, 4, tzinfo=UTC))
PLACE = {"Bucket": "acme-data", "Key": "v1.0/train/a b+c.csv", "VersionId": "one"}


def body(content: bytes) -> dict[str, Any]:
    stream = StreamingBody(io.BytesIO(content), len(content))
    return {"Body": stream, "ContentLength": len(content)}


@pytest.fixture
def gateway() -> SealGateway:
    return SealGateway("acme-data")


def test_current_objects_come_from_every_page_and_former_ones_from_none(
    stub: Stub, gateway: SealGateway
) -> None:
    written = datetime(2026, 5, 4, tzinfo=UTC)
    common = {"VersionId": "one", "LastModified": written, "Size": 3}
    first = {
        "IsTruncated": True,
        "NextKeyMarker": "v1.0/train/a b+c.csv",
        "NextVersionIdMarker": "one",
        "Versions": [{"Key": "v1.0/train/a b+c.csv", "IsLatest": True, **common}],
    }
    second = {
        "Versions": [
            {"Key": "v1.0/train/a b+c.csv", "IsLatest": False, **common},
            {"Key": "v1.0/z", "IsLatest": True, "ChecksumAlgorithm": ["SHA256"], **common},
        ],
        "DeleteMarkers": [{"Key": "v1.0/gone", "IsLatest": True}],
    }
    stub("s3").add_response("list_object_versions", first)
    stub("s3").add_response("list_object_versions", second)
    objects = list(gateway.objects("v1.0"))
    assert objects == [STORED, STORED._replace(key="z", has_sha256=True)]


def test_an_object_is_read_in_the_version_that_was_listed(stub: Stub, gateway: SealGateway) -> None:
    stub("s3").add_response("get_object", body(b"abc"), PLACE)
    assert gateway.sha256("v1.0", STORED) == hashlib.sha256(b"abc").hexdigest()


def test_the_checksum_of_a_whole_object_saves_reading_it(stub: Stub, gateway: SealGateway) -> None:
    digest = hashlib.sha256(b"abc")
    stored = base64.b64encode(digest.digest()).decode()
    head = {"ChecksumSHA256": stored, "ChecksumType": "FULL_OBJECT"}
    stub("s3").add_response("head_object", head, PLACE | {"ChecksumMode": "ENABLED"})
    assert gateway.sha256("v1.0", STORED._replace(has_sha256=True)) == digest.hexdigest()


@pytest.mark.parametrize(
    "head", [{"ChecksumSHA256": "AAAA-2", "ChecksumType": "COMPOSITE"}, {"ChecksumCRC32": "AAAA"}]
)
def test_a_checksum_of_parts_does_not(
    stub: Stub, gateway: SealGateway, head: dict[str, Any]
) -> None:
    stub("s3").add_response("head_object", head)
    stub("s3").add_response("get_object", body(b"abc"), PLACE)
    stored = STORED._replace(has_sha256=True)
    assert gateway.sha256("v1.0", stored) == hashlib.sha256(b"abc").hexdigest()


def test_a_manifest_is_ours_if_its_metadata_says_so(stub: Stub, gateway: SealGateway) -> None:
    for mark in (MARK, {}):
        answer = body(b"{}") | {
            "ETag": '"e"',
            "VersionId": "one",
            "LastModified": datetime(2026, 5, 4, tzinfo=UTC),
            "Metadata": mark,
        }
        stub("s3").add_response("get_object", answer)
        written = gateway.manifest("v1.0")
        assert written is not None
        assert written.is_ours is bool(mark)
    stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    assert gateway.manifest("v1.0") is None


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("lost_to", [None, "PreconditionFailed", "ConditionalRequestConflict"])
def test_a_manifest_is_written_only_in_the_place_of_the_one_that_was_seen(
    stub: Stub, gateway: SealGateway, replaced: bool, lost_to: str | None
) -> None:
    seen = WrittenManifest(None, '"e"', "one", datetime(2026, 5, 4, tzinfo=UTC), is_ours=False)
    expected = {
        "Bucket": "acme-data",
        "Key": "v1.0/_MANIFEST.json",
        "Body": b"{}",
        "ContentType": "application/json",
        "Metadata": MARK,
    } | ({"IfMatch": '"e"'} if replaced else {"IfNoneMatch": "*"})
    if lost_to:
        stub("s3").add_client_error("put_object", lost_to, expected_params=expected)
    else:
        stub("s3").add_response("put_object", {}, expected)
    written = gateway.write_manifest("v1.0", b"{}", seen if replaced else None)
    assert written is (lost_to is None)


def test_the_handler_counts_what_it_sealed(
    stub: Stub,
    environment: Callable[..., None],
    context: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment(BUCKET_NAME="acme-data", RUN_TABLE_NAME=TABLE)
    listed = {
        "Key": "v1.0/train/a b+c.csv",
        "VersionId": "one",
        "LastModified": datetime(2026, 5, 4, tzinfo=UTC),
        "Size": 3,
        "IsLatest": True,
    }
    stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    stub("s3").add_response("list_object_versions", {"Versions": [listed]})
    stub("s3").add_response("get_object", body(b"abc"), PLACE)
    stub("s3").add_response("put_object", {})
    assert handler({"dataset": "v1.0"}, context) == {"status": "Sealed", "files": 1}
    assert '"DatasetsSealed":[1' in capsys.readouterr().out


@pytest.mark.parametrize("asked", [{}, {"dataset": "runs"}, {"dataset": "a/b"}, {"dataset": None}])
def test_a_malformed_request_is_named(
    asked: dict[str, Any], environment: Callable[..., None], context: SimpleNamespace
) -> None:
    environment(BUCKET_NAME="acme-data", RUN_TABLE_NAME=TABLE)
    with pytest.raises(EventInvalid, match="Input of SealRequest: dataset: "):
        handler(asked, context)
