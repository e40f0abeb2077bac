"""Environments of the store as builds make them: empty, from a lock file, or one more step."""

import fcntl
import hashlib
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local_account import environments
from local_account.image_builds.console import BuildError, Console

_INSTALLS = re.compile(r"^(?:python3?\s+-m\s+)?pip3?\s+")
_LOCKED = re.compile(r"^(?:python3?\s+-m\s+)?pip3?\s+install\s+")
_OF_A_SHELL = re.compile(r"[&|;<>$`*?()\n]")
_HASHED, _ONLY_BINARY = "--require-hashes", "--only-binary"
_WITH_VALUE = (_ONLY_BINARY, "--root-user-action", "--progress-bar", "--timeout")
_ALONE = (
    *(_HASHED, "--no-cache-dir", "--quiet", "-q", "--no-input"),
    *("--disable-pip-version-check", "--no-warn-script-location"),
)
_INSTALL = (
    *("python", "-I", "-m", "pip", "install", _HASHED, _ONLY_BINARY, ":all:"),
    *("--no-cache-dir", "--no-input", "--disable-pip-version-check", "--root-user-action=ignore"),
)

EMPTY = environments.key_of(b"")
"""The key of the environment that nothing is installed in: that of an empty lock file."""

Install = Callable[[Path], int]


def installs(text: str) -> bool:
    """Tell whether a command is one of pip's, which changes the environment."""
    return bool(_INSTALLS.match(text))


def by_module(text: str) -> str:
    """Return a command of pip's as a module's: a copied environment's scripts name the original."""
    return _INSTALLS.sub("python -m pip ", text)


def lock_file_of(text: str) -> str:
    """Return the file that a command installs and does nothing else, or nothing.

    With hashes and without building anything, so that the file alone says what comes of it.
    """
    if not _LOCKED.match(text) or _OF_A_SHELL.search(text):
        return ""
    words = shlex.split(_LOCKED.sub("", text))
    files, given = [], set[str]()
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name in ("-r", "--requirement", *_WITH_VALUE):
            value = value if equals else (words.pop(0) if words else "")
            files += [value] if name in ("-r", "--requirement") else []
            given.add(f"{name} {value}")
        elif name in _ALONE:
            given.add(name)
        else:
            return ""
    is_locked = {_HASHED, f"{_ONLY_BINARY} :all:"} <= given
    return files[0] if is_locked and len(files) == 1 else ""


def installation(file: str) -> tuple[str, ...]:
    """Return the command that installs a lock file, whatever else is in the image.

    The store's environment of a file is the same for whoever has the file, so that neither a
    module of the image nor a variable of its Dockerfile may have a part in it.
    """
    return (*_INSTALL, "-r", file)


def empty(cache: Path, console: Console) -> Path:
    """Return the environment that nothing is installed in, made now if it is not there."""
    found = environments.find(cache, EMPTY)
    return found or made(cache, EMPTY, lambda folder: _new(folder, console))


def made(cache: Path, key: str, install: Install) -> Path:
    """Make an environment aside and put it into the store; the first that gets there stays.

    Raises
    ------
    BuildError
        If it cannot be made; nothing of it stays.
    """
    target = environments.folder_of(cache, key)
    partial = target.with_name(f"{key}.{secrets.token_hex(4)}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        if status := install(partial):
            raise BuildError(f"exit code: {status}")
        (partial / environments.MARKER).unlink(missing_ok=True)
        (partial / environments.MARKER).open("x").close()  # follows no link
        with _alone(cache):
            _put(partial, target, cache)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _put(partial: Path, target: Path, cache: Path) -> None:
    if environments.find(cache, target.name) is not None:
        return
    shutil.rmtree(target, ignore_errors=True)  # of somebody who did not finish
    try:
        partial.rename(target)
    except OSError:  # make, which knows no lock, was faster
        if environments.find(cache, target.name) is None:
            raise


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Keep all other accounts and builds from changing the store."""
    with (cache / "environments.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file
        yield


def require_same_python(before: Path, after: Path) -> None:
    """Refuse an environment in which an installation changed what starts its interpreter.

    Raises
    ------
    BuildError
        If it did: that says from where the next container's Python comes.
    """
    if _interpreter(before) != _interpreter(after):
        raise BuildError(
            "the command changed pyvenv.cfg or bin/python of its environment, expected packages "
            "only; leave the interpreter as it is"
        )


def _interpreter(environment: Path) -> dict[str, str]:
    paths = [environment / "pyvenv.cfg", *environment.glob("bin/python*")]
    return {path.name: _content(path) for path in paths}


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file():
        return "neither a file nor a link"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_of(environment: Path, folder: Path) -> None:
    """Copy an environment; its marker is not in the copy."""
    ignored = shutil.ignore_patterns(environments.MARKER)
    shutil.copytree(environment, folder, symlinks=True, ignore=ignored)


def _new(folder: Path, console: Console) -> int:
    return console.follow([sys.executable, "-m", "venv", str(folder)], {"LANG": "C.UTF-8"})
