"""The store of Python environments: what a lock file says, installed once and kept.

`<cache>/environments/<key>` is a virtual environment with exactly what a hash-locked requirements
file lists; its key is the start of the SHA-256 of the file's bytes, and the marker `.complete` in
it is written last. Only accounts and `make setup` write to the store; builds and images read what
is complete. It outlives accounts.
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MARKER = ".complete"
_KEY = re.compile(r"[0-9a-f]{16}")


def key_of(lock: bytes) -> str:
    """Return the name that the environment of a lock file has in the store."""
    return hashlib.sha256(lock).hexdigest()[:16]


def folder_of(cache: Path, key: str) -> Path:
    """Return where the environment of a key is, or would be."""
    return cache / "environments" / key


def find(cache: Path, key: str) -> Path | None:
    """Return the environment of a key if it is there, complete and of the account's Python."""
    if not _KEY.fullmatch(key):  # it comes from an image's label
        return None
    folder = folder_of(cache, key).resolve()
    return folder if (folder / MARKER).exists() and _is_of_this_python(folder) else None


def found_in(cache: Path) -> Iterator[Path]:
    """Yield the environments of the store, as `find` finds them."""
    for path in sorted((cache / "environments").glob("*")):
        if environment := find(cache, path.name):
            yield environment


def base_python() -> Path:
    """Return the interpreter that the account's virtual environment was made with."""
    return Path(sys.executable).resolve()


def _is_of_this_python(folder: Path) -> bool:
    """Tell whether an environment runs with the interpreter that containers are given."""
    version = f"version = {'.'.join(map(str, sys.version_info[:3]))}"
    try:
        lines = (folder / "pyvenv.cfg").read_text().splitlines()
        python = (folder / "bin/python").resolve(strict=True)
    except (OSError, ValueError):
        return False
    return version in lines and python == base_python()
