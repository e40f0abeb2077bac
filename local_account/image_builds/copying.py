"""COPY: which files of the context become which files of the image."""

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from local_account.image_builds.dockerfile import Instruction
from local_account.image_builds.kept_layers import Entry
from local_account.images import ROOTLESS_FOLDERS

_OWNERS = ("", "0", "0:0", "root", "root:root")
_MODE = re.compile(r"0?[0-7]{3}")
_ABSENT = "file not found in build context or excluded by .dockerignore"


def placed(instruction: Instruction, path: str) -> str:
    """Return a path of the image, without its first slash.

    Raises
    ------
    DockerfileError
        If it is outside the folders that a rootless build writes.
    """
    inside = posixpath.normpath(path).lstrip("/")
    if not any(PurePosixPath(inside).is_relative_to(folder) for folder in ROOTLESS_FOLDERS):
        where = " and ".join(f"/{folder}" for folder in ROOTLESS_FOLDERS)
        raise instruction.refused(
            f"/{inside} is outside {where}, where a rootless build writes; an image of other "
            "files is built by buildah, podman or docker"
        )
    return inside


def copied(
    instruction: Instruction,
    words: list[str],
    context: Path,
    directory: str,
    is_folder: Callable[[str], bool],
) -> list[Entry]:
    """Return what a COPY puts into the image; `directory` is its working directory.

    Modes are 0755 for what can be executed and 0644 for the rest, so that they do not depend
    on how the context was checked out.
    """
    mode = _mode(instruction)
    if len(words) < 2:
        raise instruction.refused("expected one source or more and a destination")
    *sources, last = words
    target = placed(instruction, posixpath.join(directory, last))
    found = [path for source in sources for path in _found(instruction, source, context)]
    into = last.endswith("/") or last in (".", "..") or is_folder(target)
    if len(found) > 1 and not into:
        raise instruction.refused("several sources, so the destination must end with /")
    entries: dict[str, Entry] = {}
    for path in found:
        place = f"{target}/{path.name}" if into and not path.is_dir() else target
        entries |= {entry.path: entry for entry in _entries(path, place, mode)}
    return list(entries.values())


def _mode(instruction: Instruction) -> int | None:
    for name, value in instruction.flags.items():
        if name == "chown" and value in _OWNERS:
            continue
        if name != "chmod" or not _MODE.fullmatch(value):
            raise instruction.refused(f"a rootless build does not model --{name}={value}")
    mode = instruction.flags.get("chmod")
    return int(mode, 8) if mode else None


def _found(instruction: Instruction, source: str, context: Path) -> list[Path]:
    inside = posixpath.normpath(f"/{source}").lstrip("/")
    if "**" in inside or re.match(r"https?://", source):
        raise instruction.refused(f"{source} is neither a path nor a simple pattern")
    paths = sorted(context.glob(inside)) if inside else [context]
    if not paths:
        raise instruction.refused(f"COPY failed: {_ABSENT}: stat {source}: file does not exist")
    if links := [path for path in paths if path.is_symlink()]:
        raise instruction.refused(f"{links[0].name} is a link; copy the file that it leads to")
    whole = context.resolve()
    for path in paths if inside else []:
        if not path.parent.resolve().is_relative_to(whole):
            raise instruction.refused(f"{source} leads through a link out of the build context")
    return paths


def _entries(path: Path, place: str, mode: int | None) -> Iterator[Entry]:
    if not path.is_dir():
        yield _entry(path, place, mode)
        return
    yield Entry(place, mode or 0o755, is_folder=True)
    for below in path.rglob("*"):
        yield _entry(below, f"{place}/{below.relative_to(path).as_posix()}", mode)


def _entry(path: Path, place: str, mode: int | None) -> Entry:
    if path.is_symlink():
        return Entry(place, 0o777, link=str(path.readlink()))
    if path.is_dir():
        return Entry(place, mode or 0o755, is_folder=True)
    own = 0o755 if path.stat().st_mode & 0o111 else 0o644
    return Entry(place, mode or own, source=path)


def digest_of_entries(entries: Iterable[Entry]) -> str:
    """Return what changes when any of these entries, or what is in them, changes."""
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: entry.path):
        content = _digest(entry.source) if entry.source else ""
        described = (entry.path, entry.mode, entry.link, entry.is_folder, content)
        digest.update(repr(described).encode())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
