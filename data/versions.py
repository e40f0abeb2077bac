"""The data set versions: one validation split for all of them, and a growing training split."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import ManifestError
from data.fetch import Source, fetch
from data.files import write_bytes
from data.manifest import (
    MANIFEST_NAME,
    SPLITS,
    build_manifest,
    dataset_digest,
    manifest_bytes,
)

VALIDATION_SHARE = 0.2
# Changing it makes another split: figures before and after cannot be compared.
SALT = b"validation split 1\n"
# Each version's share of the training rows, in file order, as (numerator, denominator).
_TRAINING_SHARES = {"v1.0": (1, 2), "v1.0-retrain": (3, 4), "v1.1": (1, 1)}
VERSION_NAMES = tuple(_TRAINING_SHARES)


@dataclass(frozen=True)
class DatasetVersion:
    """A version on disk, ready to be uploaded: its files first, its manifest last."""

    name: str
    folder: Path
    digest: str
    train_rows: int
    validation_rows: int
    origin: str
    note: str

    @property
    def manifest(self) -> Path:
        """The file whose arrival starts a run."""
        return self.folder / MANIFEST_NAME


def build_versions(out_folder: Path, source: Source | None = None) -> list[DatasetVersion]:
    """Write every version to ``<out_folder>/<version>/``; the same source gives the same bytes.

    Parameters
    ----------
    out_folder
        Versions of the same name in it are replaced, other files in them are refused.
    source
        The rows; default `fetch`. Its note is in each result and must be shown if synthetic.

    Raises
    ------
    DataSetError
        If the source cannot be used or a folder holds files that are not the version's.
    """
    source = source or fetch()
    training, validation = split(source.content)
    return [
        _write(out_folder / name, training[: len(training) * share // whole], validation, source)
        for name, (share, whole) in _TRAINING_SHARES.items()
    ]


def split(content: bytes) -> tuple[list[bytes], list[bytes]]:
    """Divide rows into training and validation, both in file order.

    A row's own bytes decide, so equal rows are never on both sides, and a row stays on its side
    when others are added.
    """
    training: list[bytes] = []
    validation: list[bytes] = []
    for row in filter(None, content.splitlines()):
        (validation if _is_held_out(row) else training).append(row)
    return training, validation


def _is_held_out(row: bytes) -> bool:
    drawn = int.from_bytes(hashlib.sha256(SALT + row).digest()[:8], "big")
    return drawn < VALIDATION_SHARE * 2**64


def _write(
    folder: Path, training: list[bytes], validation: list[bytes], source: Source
) -> DatasetVersion:
    rows = dict(zip(SPLITS, (training, validation), strict=True))
    files = {folder / name / f"{name}.csv": lines for name, lines in rows.items()}
    _refuse_foreign_files(folder, {*files, folder / MANIFEST_NAME})
    # Without a manifest there is no version: it goes first and comes back last.
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    for path, lines in files.items():
        write_bytes(path, b"\n".join([*lines, b""]))
    manifest = build_manifest(folder, folder.name)
    write_bytes(folder / MANIFEST_NAME, manifest_bytes(manifest))
    return DatasetVersion(
        name=folder.name,
        folder=folder,
        digest=dataset_digest(manifest["files"]),
        train_rows=len(training),
        validation_rows=len(validation),
        origin=source.origin,
        note=source.note,
    )


def _refuse_foreign_files(folder: Path, expected: set[Path]) -> None:
    foreign = sorted(
        path for path in folder.rglob("*") if not path.is_dir() and path not in expected
    )
    if foreign:
        raise ManifestError(
            f"{foreign[0]} is not part of the version {folder.name}; move it away or choose "
            "another folder for the versions."
        )
