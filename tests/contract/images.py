"""Images for tests, as a rootless build makes them, pushed by ECR's own API."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_LEFT_OUT = ("tests", "pipeline", "__pycache__")
_FILES = ("*.py", "contract.toml", "requirements.lock", "requirements-processing.lock")
LOCKS = {
    "model": ROOT / "model_code/requirements.lock",
    "processing": ROOT / "model_code/requirements-processing.lock",
}


@dataclass(frozen=True)
class Image:
    """A Docker v2 schema 2 image: its manifest and the two blobs that the manifest names."""

    config: bytes
    layer: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        return digest(self.manifest)


def model_image(target: str = "model", files: Mapping[str, bytes] | None = None) -> Image:
    """Return the image of the project's model code, or of other files below `/opt/program`."""
    return image_of(files or model_files(ROOT / "model_code"), LOCKS[target])


def model_files(folder: Path) -> dict[str, bytes]:
    """Return what the Dockerfile copies into the image, by its path below `/opt/program`."""
    paths = (path for pattern in _FILES for path in sorted(folder.rglob(pattern)))
    return {
        f"model_code/{path.relative_to(folder)}": path.read_bytes()
        for path in paths
        if not set(path.relative_to(folder).parts) & set(_LEFT_OUT)
    }


def image_of(files: Mapping[str, bytes], lock: Path) -> Image:
    """Return an image of one layer that runs in the environment of a lock file."""
    archive = _archive(files)
    layer = gzip.compress(archive, mtime=0)
    config = _document(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": ["python", "-m", "model_code"],
                "Env": ["PYTHONUNBUFFERED=1"],
                "WorkingDir": "/opt/program",
                "Labels": {
                    "org.opencontainers.image.base.name": f"python:3.12-slim@sha256:{'0' * 64}",
                    "embedded-account.builder": "rootless",
                    "embedded-account.environment": digest(lock.read_bytes())[7:23],
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(archive)]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(_CONFIG_TYPE, config),
        "layers": [_descriptor(_LAYER_TYPE, layer)],
    }
    return Image(config, layer, _document(manifest))


def push(ecr: Any, repository: str, image: Image, tag: str) -> str:
    """Push what the repository lacks of an image, under a tag, and return its digest."""
    blobs = {digest(blob): blob for blob in (image.config, image.layer)}
    known = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=list(blobs))
    there = {
        each["layerDigest"] for each in known["layers"] if each["layerAvailability"] == "AVAILABLE"
    }
    for blob in (blobs[name] for name in blobs.keys() - there):
        push_blob(ecr, repository, blob)
    manifest = image.manifest.decode()
    put = ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    return str(put["image"]["imageId"]["imageDigest"])


def push_blob(ecr: Any, repository: str, blob: bytes) -> str:
    """Upload a layer in one part and return its digest."""
    repository_name = {"repositoryName": repository}
    upload = {"uploadId": ecr.initiate_layer_upload(**repository_name)["uploadId"]}
    ecr.upload_layer_part(
        **repository_name,
        **upload,
        partFirstByte=0,
        partLastByte=len(blob) - 1,
        layerPartBlob=blob,
    )
    ecr.complete_layer_upload(**repository_name, **upload, layerDigests=[digest(blob)])
    return digest(blob)


def without_layer(image: Image) -> str:
    """Return a manifest that names a layer which nobody has uploaded."""
    manifest: dict[str, Any] = json.loads(image.manifest)
    manifest["layers"][0]["digest"] = f"sha256:{'0' * 64}"
    return json.dumps(manifest)


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"opt/program/{path}")
            entry.size, entry.mode = len(files[path]), 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    return buffer.getvalue()


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(blob), "digest": digest(blob)}


def _document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
