"""The manifest of a data set version: which files it has, with their digests."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_code.runtime.errors import JobInputError
from model_code.runtime.paths import SPLITS
from model_code.runtime.tables import FORMATS
from model_code.runtime.violations import shown

MANIFEST_NAME = "_MANIFEST.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ManifestFile:
    """One file; ``key`` is relative to the version's folder."""

    key: str
    sha256: str
    size: int

    @property
    def split(self) -> str:
        """The split that the file belongs to: the first folder of its key."""
        return self.key.partition("/")[0]


@dataclass(frozen=True)
class Manifest:
    """The files of one version, sorted by key."""

    version: str
    files: tuple[ManifestFile, ...]

    def of_split(self, split: str) -> tuple[ManifestFile, ...]:
        """Return the files of one split."""
        return tuple(file for file in self.files if file.split == split)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    JobInputError
        If it is missing, no JSON of the known schema, or lists a file that cannot be in a version.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise JobInputError(f"{MANIFEST_NAME} is missing in {path.parent}.") from error
    except ValueError as error:
        raise JobInputError(f"{MANIFEST_NAME}: found no valid JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("schema") != 1:
        raise JobInputError(f"{MANIFEST_NAME}: expected an object with schema 1.")
    version, entries = content.get("version"), content.get("files")
    if not isinstance(version, str) or not isinstance(entries, list):
        raise JobInputError(f"{MANIFEST_NAME}: expected a version and a list of files.")
    manifest = Manifest(version, tuple(sorted(map(_file, entries), key=lambda file: file.key)))
    _check_files(manifest)
    return manifest


def _file(entry: Any) -> ManifestFile:
    if not isinstance(entry, dict):
        raise JobInputError(f"{MANIFEST_NAME}: found the file {shown(entry)}, expected an object.")
    key, sha256, size = entry.get("key"), entry.get("sha256"), entry.get("size")
    if not isinstance(key, str) or not _is_data_key(key):
        raise JobInputError(
            f"{MANIFEST_NAME}: found the key {shown(key)}, expected a .csv or .parquet file below "
            f"{' or '.join(f'{split}/' for split in SPLITS)}."
        )
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise JobInputError(f"{MANIFEST_NAME}: {key} has no sha256 of 64 hexadecimal digits.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise JobInputError(f"{MANIFEST_NAME}: {key} has no size in bytes.")
    return ManifestFile(key, sha256, size)


def _is_data_key(key: str) -> bool:
    parts = key.split("/")
    return (
        len(parts) > 1
        and parts[0] in SPLITS
        and all(part not in ("", ".", "..") for part in parts)
        and "\\" not in key
        and Path(key).suffix in FORMATS
    )


def _check_files(manifest: Manifest) -> None:
    keys = [file.key for file in manifest.files]
    if len(set(keys)) < len(keys):
        raise JobInputError(f"{MANIFEST_NAME}: a key occurs twice.")
    if len({Path(key).suffix for key in keys}) > 1:
        raise JobInputError(f"{MANIFEST_NAME}: found CSV and Parquet files, expected one format.")
    for split in SPLITS:
        if not manifest.of_split(split):
            raise JobInputError(f"{MANIFEST_NAME}: found no file below {split}/, expected 1.")
