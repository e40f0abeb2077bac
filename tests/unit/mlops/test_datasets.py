"""A data set is checked before anything is uploaded, and its manifest goes last."""

import base64
import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops.datasets import publish, read_data_set
from mlops.errors import DataSetError
from mlops.target import Deployment


class Bucket:
    """S3 as far as publishing needs it."""

    exceptions = SimpleNamespace(NoSuchKey=KeyError)

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = objects or {}
        self.put: list[str] = []

    def get_object(self, **request: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[request["Key"]])}

    def put_object(self, **request: Any) -> dict[str, str]:
        body = request["Body"]
        content = body if isinstance(body, bytes) else body.read()
        if "ChecksumSHA256" in request:
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            assert request["ChecksumSHA256"] == digest
        self.put.append(request["Key"])
        self.objects[request["Key"]] = content
        return {"VersionId": f"version-of-{request['Key']}"}


def _deployment(bucket: Bucket) -> Deployment:
    return cast("Deployment", SimpleNamespace(bucket="b", target=SimpleNamespace(s3=bucket)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("train", "validation"):
        (tmp_path / "v1" / split).mkdir(parents=True)
        (tmp_path / "v1" / split / f"{split}.csv").write_text(f"{split},1\n")
    return tmp_path / "v1"


def test_the_manifest_goes_last_and_its_version_id_is_returned(folder: Path) -> None:
    bucket, notes = Bucket(), list[str]()
    version_id = publish(_deployment(bucket), read_data_set(folder, "v1"), notes.append)
    assert bucket.put == ["v1/train/train.csv", "v1/validation/validation.csv", "v1/_MANIFEST.json"]
    assert version_id == "version-of-v1/_MANIFEST.json"
    assert notes[0] == "s3://b/v1/train/train.csv 8 bytes"


def test_the_same_files_may_be_published_again(folder: Path) -> None:
    bucket, dataset = Bucket(), read_data_set(folder, "v1")
    publish(_deployment(bucket), dataset, lambda note: None)
    publish(_deployment(bucket), dataset, lambda note: None)
    assert len(bucket.put) == 6


def test_other_files_under_a_taken_name_are_refused_before_any_upload(folder: Path) -> None:
    bucket = Bucket({"v1/_MANIFEST.json": b"{}"})
    with pytest.raises(DataSetError, match="version v1 is taken"):
        publish(_deployment(bucket), read_data_set(folder, "v1"), lambda note: None)
    assert bucket.put == []


@pytest.mark.parametrize("version", ["runs", "a b", "../x", "", "-x", "x" * 64, "a/b"])
def test_a_bad_version_name_is_refused(folder: Path, version: str) -> None:
    with pytest.raises(DataSetError, match="version name"):
        read_data_set(folder, version)


def test_an_empty_split_is_refused(folder: Path) -> None:
    (folder / "train" / "train.csv").unlink()
    with pytest.raises(DataSetError, match="train has 0 files"):
        read_data_set(folder, "v1")


def test_a_file_that_changes_after_it_was_read_is_not_accepted(folder: Path) -> None:
    dataset = read_data_set(folder, "v1")
    (folder / "train" / "train.csv").write_text("changed\n")
    with pytest.raises(AssertionError):
        publish(_deployment(Bucket()), dataset, lambda note: None)
