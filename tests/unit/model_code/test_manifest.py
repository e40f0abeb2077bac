"""The manifest that a version brings is checked before the files that it lists."""

import json
from pathlib import Path
from typing import Any

import pytest

from model_code.runtime.errors import JobInputError
from model_code.runtime.manifest import Manifest, read_manifest

DIGEST = "0" * 64


def entry(key: str = "train/a.csv", sha256: object = DIGEST, size: object = 1) -> dict[str, Any]:
    return {"key": key, "sha256": sha256, "size": size}


VALIDATION = entry("validation/a.csv")


def read(folder: Path, content: object) -> Manifest:
    path = folder / "_MANIFEST.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_manifest(path)


def with_files(*files: object) -> dict[str, object]:
    return {"schema": 1, "version": "v1", "files": list(files)}


def test_a_manifest_with_object_versions_is_read(tmp_path: Path) -> None:
    content = with_files(VALIDATION, {**entry(), "version_id": "abc"})
    manifest = read(tmp_path, {**content, "created": "2026-01-01T00:00:00Z"})
    assert [file.key for file in manifest.files] == ["train/a.csv", "validation/a.csv"]
    assert [file.key for file in manifest.of_split("train")] == ["train/a.csv"]


@pytest.mark.parametrize(
    "key",
    [
        "a.csv",
        "runs/a.csv",
        "../train/a.csv",
        "train/../validation/a.csv",
        "train//a.csv",
        "train/./a.csv",
        "/train/a.csv",
        "train/",
        "train/a.txt",
        "train\\a.csv",
        "",
    ],
)
def test_a_key_outside_the_splits_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(JobInputError, match="found the key"):
        read(tmp_path, with_files(entry(key), VALIDATION))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "found no valid JSON"),
        ([], "expected an object with schema 1"),
        ({"schema": 2}, "expected an object with schema 1"),
        ({"schema": 1, "files": []}, "expected a version and a list of files"),
        (with_files(), "found no file below train/"),
        (with_files(entry()), "found no file below validation/"),
        (with_files("train/a.csv"), "expected an object"),
        (with_files(entry(sha256="abc"), VALIDATION), "no sha256 of 64"),
        (with_files(entry(sha256=None), VALIDATION), "no sha256 of 64"),
        (with_files(entry(size=True), VALIDATION), "no size in bytes"),
        (with_files(entry(size=-1), VALIDATION), "no size in bytes"),
        (with_files(entry(), entry(), VALIDATION), "a key occurs twice"),
        (with_files(entry("train/a.parquet"), VALIDATION), "expected one format"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: object, expected: str) -> None:
    with pytest.raises(JobInputError) as caught:
        read(tmp_path, content)
    assert expected in str(caught.value)


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobInputError, match="is missing"):
        read_manifest(tmp_path / "_MANIFEST.json")
