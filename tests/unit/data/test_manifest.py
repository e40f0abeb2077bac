"""Manifests of a user's own folders."""

import hashlib
import json
from pathlib import Path

import pytest

import data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train/b.csv", "train/a.csv", "validation/c.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_files_are_listed_by_key_with_digest_and_size(folder: Path) -> None:
    manifest = data.build_manifest(folder, "v2")
    assert [file["key"] for file in manifest["files"]] == [
        "train/a.csv",
        "train/b.csv",
        "validation/c.csv",
    ]
    first = manifest["files"][0]
    assert first["sha256"] == hashlib.sha256(b"train/a.csv").hexdigest()
    assert first["size"] == len("train/a.csv")
    assert (manifest["schema"], manifest["version"]) == (1, "v2")


def test_the_same_data_has_the_same_bytes_with_or_without_an_old_manifest(folder: Path) -> None:
    content = data.manifest_bytes(data.build_manifest(folder, "v2"))
    (folder / "_MANIFEST.json").write_bytes(content)
    assert data.manifest_bytes(data.build_manifest(folder, "v2")) == content
    assert json.loads(content) == data.build_manifest(folder, "v2")


def test_the_digest_is_that_of_the_data_and_not_of_the_name(folder: Path) -> None:
    first, second = (data.build_manifest(folder, name)["files"] for name in ("v2", "v3"))
    pairs = [[file["key"], file["sha256"]] for file in first]
    canonical = json.dumps(pairs, separators=(",", ":")).encode()
    assert data.dataset_digest(first) == "sha256:" + hashlib.sha256(canonical).hexdigest()
    assert data.dataset_digest(reversed(second)) == data.dataset_digest(first)
    (folder / "train/a.csv").write_text("changed")
    assert data.dataset_digest(data.build_manifest(folder, "v2")["files"]) != (
        data.dataset_digest(first)
    )


@pytest.mark.parametrize(
    "version", ["", "runs", "-v1", ".v1", "v1/2", "v 1", "v1\n", "v" * 64, "..", "é"]
)
def test_a_name_that_cannot_be_a_version_is_refused(folder: Path, version: str) -> None:
    with pytest.raises(data.ManifestError, match="Found the version name"):
        data.build_manifest(folder, version)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("notes.txt", "expected only .csv or .parquet files below train/ and validation/"),
        ("train/notes.txt", "expected only .csv or .parquet files"),
        ("test/a.csv", "expected only .csv or .parquet files"),
        ("train/.DS_Store", "expected only .csv or .parquet files"),
        ("train/.hidden.csv", "Rename it"),
        ("train/with space.csv", "Rename it"),
        ("train/a+b.csv", "Rename it"),
        ("train/new\nline.csv", "Rename it"),
        ("train/a.parquet", "convert them to one format"),
    ],
)
def test_a_file_that_cannot_be_published_is_refused(folder: Path, name: str, expected: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    with pytest.raises(data.ManifestError) as caught:
        data.build_manifest(folder, "v2")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_link_and_an_empty_file_are_refused(folder: Path) -> None:
    (folder / "train/link.csv").symlink_to(folder / "train/a.csv")
    with pytest.raises(data.ManifestError, match="no regular file"):
        data.build_manifest(folder, "v2")
    (folder / "train/link.csv").unlink()
    (folder / "train/empty.csv").touch()
    with pytest.raises(data.ManifestError, match="is empty"):
        data.build_manifest(folder, "v2")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_without_files_is_refused(folder: Path, split: str) -> None:
    for path in (folder / split).iterdir():
        path.unlink()
    with pytest.raises(data.ManifestError, match=f"{split} has 0 files"):
        data.build_manifest(folder, "v2")


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(data.ManifestError, match="is no folder"):
        data.build_manifest(tmp_path / "absent", "v2")
