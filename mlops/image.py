"""The container image of the model code, made from its source files without a container engine.

The embedded account needs no more of an image than the code and the name of the environment it
runs in, so the image is one reproducible layer: the same sources give the same digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGE = "model_code"
PROGRAM_FOLDER = "opt/program"
PATTERNS = ("*.py", "*.toml", "requirements*.lock")
DOCKERFILE = "Dockerfile"
TARGETS = {"model": "model-code", "processing": "model-code-processing"}
"""Each target of the Dockerfile, and the name of its base environment."""
TAG_SUFFIXES = {"model": "", "processing": "-processing"}
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Image:
    """A Docker v2 schema 2 image: its manifest and the two blobs that the manifest names."""

    config: bytes
    layer: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """Return what the registry will call the image."""
        return digest(self.manifest)


def source_files(root: Path) -> dict[str, bytes]:
    """Read the files that belong into an image, by their path below `root`.

    Raises
    ------
    ProjectError
        If there is no model code.
    """
    package = root / PACKAGE
    found = {path for pattern in PATTERNS for path in package.rglob(pattern)}
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(found)
        if not any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
    }
    if f"{PACKAGE}/__main__.py" not in files:
        raise ProjectError(f"{package} has no __main__.py; expected the container's program.")
    return files


def content_tag(root: Path, files: Mapping[str, bytes]) -> str:
    """Return the tag of the sources: equal sources and Dockerfile, equal tag."""
    dockerfile = root / PACKAGE / DOCKERFILE
    listed = dict(files)
    if dockerfile.is_file():
        listed[f"{PACKAGE}/{DOCKERFILE}"] = dockerfile.read_bytes()
    lines = [f"{hashlib.sha256(listed[path]).hexdigest()} {path}\n" for path in sorted(listed)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def build_image(files: Mapping[str, bytes], base_environment: str) -> Image:
    """Build the image of one target; `base_environment` is what it would be built FROM."""
    archive = _archive(files)
    layer = _compress(archive)
    config = _canonical(_config(digest(archive), base_environment))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(_CONFIG_TYPE, config),
        "layers": [_descriptor(_LAYER_TYPE, layer)],
    }
    return Image(config=config, layer=layer, manifest=_canonical(manifest))


def digest(blob: bytes) -> str:
    """Return a blob's name in a registry."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{PROGRAM_FOLDER}/{path}")
            entry.size, entry.mode = len(files[path]), 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    return buffer.getvalue()


def _compress(archive: bytes) -> bytes:
    # not gzip.compress: the header it writes differs between Python 3.12 and 3.13
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as compressed:
        compressed.write(archive)
    return buffer.getvalue()


def _config(diff_id: str, base_environment: str) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": ["python", "-m", PACKAGE],
            "Env": ["PYTHONUNBUFFERED=1"],
            "WorkingDir": f"/{PROGRAM_FOLDER}",
            "Labels": {"org.opencontainers.image.base.name": base_environment},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": _EPOCH, "created_by": "mlops image push"}],
    }


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(blob), "digest": digest(blob)}


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
