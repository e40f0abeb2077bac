"""Manifests: which files a data set version has. Building one reads files and writes nothing."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from data.errors import ManifestError

MANIFEST_NAME = "_MANIFEST.json"
SPLITS = ("train", "validation")
SUFFIXES = (".csv", ".parquet")
# Where the pipeline keeps what runs write.
RESERVED_NAME = "runs"
_VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEY_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*")
_MAX_KEY_BYTES = 1024


class ManifestFile(TypedDict):
    """One file; ``key`` is relative to the version, ``size`` is in bytes."""

    key: str
    sha256: str
    size: int


class Manifest(TypedDict):
    """What ``_MANIFEST.json`` holds; it has no date, so that the same data has the same bytes."""

    schema: int
    version: str
    files: list[ManifestFile]


def build_manifest(folder: Path, version: str) -> Manifest:
    """Describe a folder with ``train/`` and ``validation/`` as a data set version.

    Parameters
    ----------
    folder
        Holds CSV files or Parquet files, not both; an old manifest in it is left aside.
    version
        The name under which the folder is published.

    Raises
    ------
    ManifestError
        If the name cannot be a version, a split has no file, or a file cannot be published.
    """
    check_version_name(version)
    files = [_entry(folder, path) for path in _files(folder)]
    for split in SPLITS:
        if not any(file["key"].startswith(f"{split}/") for file in files):
            raise ManifestError(
                f"{folder / split} has 0 files; expected at least 1 .csv or .parquet file."
            )
    if len({Path(file["key"]).suffix for file in files}) > 1:
        raise ManifestError(f"{folder} has CSV and Parquet files; convert them to one format.")
    return {
        "schema": 1,
        "version": version,
        "files": sorted(files, key=lambda file: file["key"]),
    }


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the file's content: the same for the same data."""
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def dataset_digest(files: Iterable[ManifestFile]) -> str:
    """Return the identity of the data: keys and contents, not the version's name."""
    pairs = sorted([file["key"], file["sha256"]] for file in files)
    canonical = json.dumps(pairs, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def check_version_name(version: str) -> None:
    """Refuse a name that cannot stand as a folder in the bucket."""
    if not _VERSION_NAME.fullmatch(version) or version == RESERVED_NAME:
        raise ManifestError(
            f"Found the version name {version[:64]!r}; expected 1 to 63 letters, digits, '.', '_' "
            f"or '-', a letter or digit first, and not '{RESERVED_NAME}'."
        )


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ManifestError(f"{folder} is no folder; expected one with train/ and validation/.")
    paths = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return [path for path in paths if path != folder / MANIFEST_NAME]


def _entry(folder: Path, path: Path) -> ManifestFile:
    key = path.relative_to(folder).as_posix()
    parts = key.split("/")
    if parts[0] not in SPLITS or len(parts) < 2 or path.suffix not in SUFFIXES:
        raise ManifestError(
            f"{folder} has the file {key!r}; expected only .csv or .parquet files below train/ "
            "and validation/. Move it away."
        )
    if len(key) > _MAX_KEY_BYTES or not all(map(_KEY_PART.fullmatch, parts)):
        raise ManifestError(
            f"{folder} has the file {key[:64]!r}; expected names of letters, digits, '.', '_', '=' "
            f"and '-', {_MAX_KEY_BYTES} characters in all. Rename it."
        )
    if path.is_symlink() or not path.is_file():
        raise ManifestError(f"{path} is no regular file; put a copy of the data there.")
    size = path.stat().st_size
    if not size:
        raise ManifestError(f"{path} is empty; expected rows. Remove or fill it.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"key": key, "sha256": digest, "size": size}
