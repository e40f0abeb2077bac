"""The store of Python environments: what a lock file says, installed once and kept.

`<cache>/environments/<key>` is a virtual environment with exactly what a hash-locked requirements
file lists; its key is the start of the SHA-256 of the file's bytes, and the marker `.complete` in
it is written last. Builds, images and `make setup` share the store, and it outlives accounts.
"""

import hashlib
import re
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
    """Return the environment of a key if it is there and complete."""
    if not _KEY.fullmatch(key):  # it comes from an image's label
        return None
    folder = folder_of(cache, key).resolve()
    return folder if (folder / MARKER).exists() else None
