"""Unpacking a model archive that may have been made by anybody."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path

from model_code.runtime.errors import ArtifactError
from model_code.runtime.violations import shown

MAX_UNPACKED_BYTES = 512 * 1024 * 1024


class _LimitedGzipFile(gzip.GzipFile):
    """Stops a small archive from unpacking into more than ``limit`` bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._remaining = limit

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self._remaining -= len(chunk)
        if self._remaining < 0:
            raise ArtifactError("unpacks into more bytes than allowed")
        return chunk


def unpack(
    archive: Path, folder: Path, names: frozenset[str], limit: int = MAX_UNPACKED_BYTES
) -> None:
    """Unpack the regular files called ``names`` and nothing else.

    Raises
    ------
    ArtifactError
        If the archive is missing or damaged, unpacks into more than ``limit`` bytes, lacks one of
        the names, or has any other member: links, devices, sparse files, absolute paths and `..`
        among them.
    """
    try:
        with _LimitedGzipFile(archive, limit) as stream:
            found = _unpack(stream, folder, names)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ArtifactError) as error:
        raise ArtifactError(f"{archive.name}: {error}. Expected a model that `train` wrote.") from (
            error
        )
    missing = sorted(names - found)
    if missing:
        raise ArtifactError(f"{archive.name}: {missing[0]} is missing. Train again.")


def _unpack(stream: gzip.GzipFile, folder: Path, names: frozenset[str]) -> set[str]:
    found: set[str] = set()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isdir() and name in (".", ""):
                continue
            # A sparse member is made of zeros that the stream's limit does not count.
            if name not in names or name in found or not member.isreg() or member.issparse():
                raise ArtifactError(f"found the member {shown(member.name)}")
            content = archive.extractfile(member)
            if content is not None:
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
                found.add(name)
    return found
