"""Applies the layers of an image to a folder, as a container engine does.

What a layer holds comes from outside: a link in it leads, for this module, no further than the
image's own root, so that no file of this machine is ever written or removed through one.
"""

import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from local_account.archives import Allowance, ArchiveError

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MOST_LINKS = 40  # as the kernel follows
# damaged, cut off, not writable; names with a NUL, times that are no number or beyond all clocks
_UNREADABLE = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError)


def apply_layer(
    archive: Path, root: Path, allowance: Allowance, below: tuple[str, ...] = ()
) -> None:
    """Extract one layer over those before it: its files and links, and what it removes.

    Raises
    ------
    ArchiveError
        If it is no archive, larger than allowed, has a path that is not in one of `below`, or
        names and times that no file can have.
    """
    packed, added = archive.stat().st_size, set[Path]()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                _require_below(path, member.isdir(), below)
                allowance.admit(str(path), member.size)
                allowance.compare(packed, allowance.total)
                if path.name:
                    _apply(tar, member, path, root, added)
    except _UNREADABLE as error:
        raise ArchiveError(f"{archive.name} cannot be extracted: {error}") from error


def _require_below(path: PurePosixPath, is_folder: bool, below: tuple[str, ...]) -> None:
    inside = any(path.is_relative_to(folder) for folder in below)
    leads_there = is_folder and any(path in PurePosixPath(f).parents for f in below)
    if below and not inside and not leads_there:
        where = " and ".join(f"/{folder}" for folder in below)
        raise ArchiveError(f"{path} is outside {where}, where such an image's files must be")


def _apply(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    path: PurePosixPath,
    root: Path,
    added: set[Path],
) -> None:
    parent = within(root, path.parent)
    parent.mkdir(parents=True, exist_ok=True)
    if path.name == _OPAQUE:
        for child in set(parent.iterdir()) - added:
            _remove(child)
    elif path.name.startswith(_WHITEOUT):
        _remove(parent / path.name.removeprefix(_WHITEOUT))
    elif not (member.ischr() or member.isblk() or member.isfifo()):  # a container has its own
        added.add(parent / path.name)
        _write(tar, member, parent / path.name, root)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path) -> None:
    if not (member.isdir() and target.is_dir() and not target.is_symlink()):
        _remove(target)
    if member.issym():
        target.symlink_to(member.linkname)
        return
    if member.islnk():
        target.hardlink_to(_linked(root, PurePosixPath(member.linkname)))
        return
    if member.isdir():
        target.mkdir(exist_ok=True)
        target.chmod((member.mode & 0o777) | 0o700)
        return
    packed = tar.extractfile(member)
    if packed is None:
        raise ArchiveError(f"{member.name} is of a kind that no image holds")
    with packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file)
    target.chmod((member.mode & 0o777) | 0o400)
    os.utime(target, (member.mtime, member.mtime))  # compiled Python files depend on it


def _linked(root: Path, path: PurePosixPath) -> Path:
    return within(root, path.parent) / path.name


def within(root: Path, path: PurePosixPath) -> Path:
    """Return the folder of this machine that a path inside an image means, links followed.

    As for a process whose root is the image's: `/` is `root`, and `..` does not leave it.
    """
    todo, found, links = list(reversed(path.parts)), root, 0
    while todo:
        part = todo.pop()
        if part == "/":
            found = root
        elif part == "..":
            found = found if found == root else found.parent
        elif (found / part).is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise ArchiveError(f"{path} leads through too many links")
            todo += reversed((found / part).readlink().parts)
        else:
            found = found / part
    return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
