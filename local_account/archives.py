"""Unpacks archives that come from outside: image layers, model artifacts, functions' code.

An archive may hold regular files and folders, below its root and of bounded size and number.
Everything else in it is a reason to refuse it: a link, a device, a path that leads out.
"""

import shutil
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local_account.limits import MIB

# damaged, packed in an unknown way, encrypted, cut off, not writable
UNREADABLE_ZIP = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError),
)


class ArchiveError(Exception):
    """An archive holds what may not be extracted; the message is one line."""


@dataclass
class Allowance:
    """What one archive may come to, and what it has come to.

    Attributes
    ----------
    max_ratio : int
        Of unpacked to packed bytes, from `small_bytes` on: text packs to a twentieth, sparse
        tables to a hundredth, what is made to fill a disk to a thousandth.
    """

    name: str
    max_bytes: int
    max_files: int = 20_000
    max_ratio: int = 400
    small_bytes: int = 16 * MIB
    total: int = 0
    files: int = 0

    def admit(self, path: str, size: int) -> None:
        """Count a member before it is unpacked."""
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or "\\" in path or "\0" in path:
            raise ArchiveError(f"{path} cannot be extracted: it leads out of its folder")
        self.total, self.files = self.total + size, self.files + 1
        if self.total > self.max_bytes or self.files > self.max_files:
            limits = f"over {self.max_bytes} bytes or {self.max_files} files"
            raise ArchiveError(f"{self.name} has {limits}")

    def compare(self, packed: int, unpacked: int) -> None:
        """Refuse what unpacks to far more than it is."""
        if unpacked > max(self.small_bytes, self.max_ratio * packed):
            found = f"unpacks from {packed} to {unpacked} bytes"
            raise ArchiveError(f"{self.name} {found}, expected at most {self.max_ratio} times")


def extract_tar(archive: Path, folder: Path, max_bytes: int, below: str = "") -> int:
    """Extract a tar archive of files and folders, packed or not, and return its bytes.

    Raises
    ------
    ArchiveError
        If it is no archive, too large, or holds a link, a device or a path outside `below`.
    """
    allowance, packed = Allowance(archive.name, max_bytes), archive.stat().st_size
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if not (member.isreg() or member.isdir()) or member.issparse():
                    raise ArchiveError(f"{member.name} is neither a file nor a folder")
                _require_below(member, below)
                allowance.admit(member.name, member.size)
                allowance.compare(packed, allowance.total)
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ArchiveError(f"{archive.name} cannot be extracted: {error}") from error
    return allowance.total


def extract_zip(archive: Path, folder: Path, max_bytes: int) -> None:
    """Extract a zip archive of files and folders.

    Raises
    ------
    ArchiveError
        If it is no archive, too large, or holds a link, a device or a path that leads out.
    """
    allowance = Allowance(archive.name, max_bytes)
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise ArchiveError(f"{member.filename} is neither a file nor a folder")
                allowance.admit(member.filename, member.file_size)
                allowance.compare(member.compress_size, member.file_size)
                _unpack(opened, member, folder)
    except UNREADABLE_ZIP as error:
        raise ArchiveError(f"{archive.name} cannot be extracted: {error}") from error


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # reading stops at the size that the member says it has: more of it is an error
    with archive.open(member) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file)


def _require_below(member: tarfile.TarInfo, below: str) -> None:
    path = PurePosixPath(member.name)
    parents = PurePosixPath(below).parents if member.isdir() else ()
    if not path.is_relative_to(below) and path not in parents:
        raise ArchiveError(f"{member.name} is outside /{below}, where an image's code must be")
