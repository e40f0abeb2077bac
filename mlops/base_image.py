"""The base image of the model code, by digest: the same commit is built on the same system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.registry import parse_reference, resolve

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_NAME = "python:3.12-slim"
LOCK = "model_code/base-image.lock"


def pin(name: str) -> str:
    """Return an image's name with its digest; a digest that is given is taken as it is."""
    reference = parse_reference(name)
    return (reference if reference.digest else resolve(reference)).pinned


def write_lock(file: Path, pinned: str) -> bool:
    """Write the one line that is no comment; return whether it is another than before."""
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    comments = [line for line in before.splitlines() if line.lstrip().startswith("#")]
    after = "".join(f"{line}\n" for line in (*comments, pinned))
    if after != before:
        file.write_text(after, encoding="utf-8")
    return after != before
