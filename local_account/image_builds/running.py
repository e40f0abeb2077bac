"""RUN: a command of a build, in the isolation of this machine's containers.

It sees this machine's libraries and its environment, read-only, and what the image has below
`/opt/program` and `/tmp`, which it may change. It has a network, as in a container engine's build.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_account.contained import SYSTEM_PATH, Isolation
from local_account.image_builds.console import Console
from local_account.image_builds.kept_layers import Entry
from local_account.images import ROOTLESS_FOLDERS
from local_account.pip_settings import pip_folders, pip_settings
from local_account.sandbox import isolated, python_folders

_FOLDER = re.compile(rf"(?<![\w./-])/({'|'.join(ROOTLESS_FOLDERS)})(?![\w.-])")


@dataclass(frozen=True)
class Run:
    """One command: its words, its variables, and where it runs.

    Attributes
    ----------
    environment : Path
        The virtual environment that it finds Python in.
    writable : Path, or None
        A folder beside the image's that it may write to: its environment, when it installs.
    """

    words: tuple[str, ...]
    variables: Mapping[str, str]
    directory: str
    root: Path
    environment: Path
    writable: Path | None = None


def run(asked: Run, isolation: Isolation, console: Console) -> int:
    """Run a command to its end and return its exit status."""
    for folder in ROOTLESS_FOLDERS:
        (asked.root / folder).mkdir(parents=True, exist_ok=True)
    variables = {
        **pip_settings(),
        "LANG": "C.UTF-8",
        **asked.variables,
        "HOME": "/root" if isolation == "bwrap" else str(asked.root),
        "PATH": f"{asked.environment / 'bin'}:{SYSTEM_PATH}",
    }
    written = [asked.root, *([asked.writable] if asked.writable else [])]
    if isolation == "bwrap":
        try:
            return console.follow(_contained(asked), variables, isolation, Path("/"), written)
        finally:
            _remove_mount_points(asked)
    words = [_FOLDER.sub(rf"{asked.root}/\1", word) for word in asked.words]
    directory = Path(_FOLDER.sub(rf"{asked.root}/\1", asked.directory))
    return console.follow(words, variables, isolation, directory, written)


def _contained(asked: Run) -> list[str]:
    # the home before the rest: this machine's Python may be in it
    argv = [*isolated(network=True), "--tmpfs", "/root"]
    for folder in ROOTLESS_FOLDERS:
        argv += ["--bind", str(asked.root / folder), f"/{folder}"]
    for path in _brought(asked):
        argv += ["--ro-bind-try", path, path]
    if asked.writable:
        argv += ["--bind", str(asked.writable), str(asked.writable)]
    argv += ["--remount-ro", "/", "--chdir", asked.directory]
    return [*argv, "--", *asked.words]


def _brought(asked: Run) -> list[str]:
    """Return what a command has of this machine beside the system's libraries."""
    return [*python_folders(asked.environment), *pip_folders()]


def _remove_mount_points(asked: Run) -> None:
    """Remove what bubblewrap made among the image's files, where the cache is below `/tmp`."""
    for path in (asked.root / brought[1:] for brought in _brought(asked)):
        for folder in (path, *path.parents):
            if folder.parent == asked.root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


Snapshot = dict[str, tuple[int, str]]


def snapshot(root: Path) -> Snapshot:
    """Return what is in an image's folders: the mode and the content of each file."""
    return {str(path.relative_to(root)): _state(path) for path in _paths(root)}


def changes(root: Path, before: Snapshot) -> Iterator[Entry]:
    """Yield how an image's folders differ from a snapshot, as a layer says it."""
    after = snapshot(root)
    for name in sorted(before.keys() - after.keys()):
        parent = str(Path(name).parent)
        if parent in (*after, *ROOTLESS_FOLDERS):
            yield Entry(f"{parent}/.wh.{Path(name).name}")
    for name, state in after.items():
        if before.get(name) == state:
            continue
        path = root / name
        if path.is_symlink():
            yield Entry(name, 0o777, link=str(path.readlink()))
        elif path.is_dir():
            yield Entry(name, state[0], is_folder=True)
        else:
            yield Entry(name, state[0], source=path)


def _paths(root: Path) -> Iterator[Path]:
    for folder in ROOTLESS_FOLDERS:
        paths = (root / folder).rglob("*")
        yield from (path for path in paths if path.is_symlink() or path.is_dir() or path.is_file())


def _state(path: Path) -> tuple[int, str]:
    if path.is_symlink():
        return 0o777, f"-> {path.readlink()}"
    mode = path.stat().st_mode & 0o777
    if path.is_dir():
        return mode, "/"
    with path.open("rb") as file:
        return mode, hashlib.file_digest(file, "sha256").hexdigest()
