"""Files that are either whole or absent."""

import hashlib
import json
from pathlib import Path

CHUNK_BYTES = 1024 * 1024


def write_bytes(path: Path, content: bytes) -> None:
    """Write through a sibling that is renamed, so that no reader meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write JSON with a stable order of keys; NaN and infinity are refused."""
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def sha256_of(path: Path) -> str:
    """Digest a file of any size as lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
