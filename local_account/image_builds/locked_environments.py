"""Environments of the store as builds make them: empty, from a lock file, or one more step."""

import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from local_account import environments
from local_account.image_builds.console import BuildError, Console

_INSTALLS = re.compile(r"^(?:python3?\s+-m\s+)?pip3?\s+")
_LOCKED = re.compile(r"^(?:python3?\s+-m\s+)?pip3?\s+install\s+")
_OF_A_SHELL = re.compile(r"[&|;<>$`*?()\n]")
_WITH_VALUE = ("--only-binary", "--root-user-action", "--progress-bar", "--timeout")
_ALONE = (
    *("--require-hashes", "--no-cache-dir", "--no-deps", "--quiet", "-q", "--no-input"),
    *("--disable-pip-version-check", "--no-warn-script-location"),
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
    """Return the file that a command installs with hashes and does nothing else, or nothing."""
    if not _LOCKED.match(text) or _OF_A_SHELL.search(text):
        return ""
    words = shlex.split(_LOCKED.sub("", text))
    files, hashed = [], False
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name in ("-r", "--requirement", *_WITH_VALUE):
            value = value if equals else (words.pop(0) if words else "")
            files += [value] if name in ("-r", "--requirement") else []
        elif name in _ALONE:
            hashed = hashed or name == "--require-hashes"
        else:
            return ""
    return files[0] if hashed and len(files) == 1 else ""


def empty(cache: Path, console: Console) -> Path:
    """Return the environment that nothing is installed in, made now if it is not there."""
    found = environments.find(cache, EMPTY)
    return found or made(cache, EMPTY, lambda folder: _new(folder, console))


def made(cache: Path, key: str, install: Install) -> Path:
    """Make an environment aside and put it into the store, unless it got there meanwhile.

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
        (partial / environments.MARKER).touch()
        if environments.find(cache, key) is None:
            shutil.rmtree(target, ignore_errors=True)  # of somebody who did not finish
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def copy_of(environment: Path, folder: Path) -> None:
    """Copy an environment; its marker is not in the copy."""
    ignored = shutil.ignore_patterns(environments.MARKER)
    shutil.copytree(environment, folder, symlinks=True, ignore=ignored)


def _new(folder: Path, console: Console) -> int:
    return console.follow([sys.executable, "-m", "venv", str(folder)], {"LANG": "C.UTF-8"})
