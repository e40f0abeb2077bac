"""Images of the model code in a pipeline's registry, put there without the build that makes them.

They are what the embedded account's rootless build makes of the Dockerfile, as
local_account/images.py documents it, pushed blob by blob as `docker push` does.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Pipeline

TARGETS = {"training": "requirements.lock", "processing": "requirements-processing.lock"}
SUFFIXES = {"training": "", "processing": "-processing"}
FILES = ("*.py", "*.toml", "requirements*.lock")
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_NOBODY = "sha256:" + 64 * "0"


class Built(NamedTuple):
    """An image as a registry takes it."""

    blobs: dict[str, bytes]
    manifest: str


def put_images(pipeline: Pipeline, folder: Path = ROOT) -> dict[str, str]:
    """Push both images of a folder's model code and let runs use them: the parameter's content."""
    code = folder / "model_code"
    archive = _archive(code)
    commit = hashlib.sha1(archive, usedforsecurity=False).hexdigest()
    images = {
        target: _push(pipeline, f"{commit}{SUFFIXES[target]}", _build(archive, code, lock))
        for target, lock in TARGETS.items()
    }
    return publish(pipeline, **images, commit=commit)


def publish(pipeline: Pipeline, **content: str) -> dict[str, str]:
    """Write the parameter as the pipeline's build does, which says that it is of a test."""
    content = {**content, "author": "Ada Test <ada@example.org>", "message": "An image for a test"}
    pipeline.account.client("ssm").put_parameter(
        Name=pipeline.outputs["ImageParameterName"],
        Value=json.dumps(content),
        Type="String",
        Overwrite=True,
    )
    return content


def publish_absent(pipeline: Pipeline) -> None:
    """Name images that the repository does not have: what starts ends soon."""
    uri = f"{pipeline.outputs['RepositoryUri']}@{_NOBODY}"
    publish(pipeline, training=uri, processing=uri, commit=40 * "0")


def unpublish(pipeline: Pipeline) -> None:
    """Let there be no parameter, as before the first build."""
    ssm = pipeline.account.client("ssm")
    with suppress(ssm.exceptions.ParameterNotFound):
        ssm.delete_parameter(Name=pipeline.outputs["ImageParameterName"])


def _archive(code: Path) -> bytes:
    buffer = io.BytesIO()
    found = {path for pattern in FILES for path in code.rglob(pattern)}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(found):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"opt/program/{path.relative_to(code.parent).as_posix()}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _build(archive: bytes, code: Path, lock: str) -> Built:
    layer = gzip.compress(archive, mtime=0)
    labels = {
        "org.opencontainers.image.base.name": "python:3.12-slim",
        "embedded-account.builder": "rootless",
        "embedded-account.environment": hashlib.sha256((code / lock).read_bytes()).hexdigest()[:16],
    }
    config: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": ["python", "-m", "model_code"],
            "Env": ["PYTHONUNBUFFERED=1"],
            "WorkingDir": "/opt/program",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(archive)]},
    }
    blobs = {_CONFIG_TYPE: json.dumps(config).encode(), _LAYER_TYPE: layer}
    described = [
        {"mediaType": kind, "size": len(blob), "digest": _digest(blob)}
        for kind, blob in blobs.items()
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": described[0],
        "layers": described[1:],
    }
    return Built({_digest(blob): blob for blob in blobs.values()}, json.dumps(manifest))


def _push(pipeline: Pipeline, tag: str, image: Built) -> str:
    """Push what the repository lacks of an image and return its URI by digest."""
    ecr, repository = pipeline.account.client("ecr"), pipeline.outputs["RepositoryName"]
    known = ecr.batch_check_layer_availability(
        repositoryName=repository, layerDigests=list(image.blobs)
    )["layers"]
    present = {each["layerDigest"] for each in known if each["layerAvailability"] == "AVAILABLE"}
    for digest, blob in image.blobs.items():
        if digest not in present:
            _push_blob(ecr, repository, digest, blob)
    ecr.put_image(
        repositoryName=repository,
        imageManifest=image.manifest,
        imageManifestMediaType=MANIFEST_TYPE,
        imageTag=tag,
    )
    return f"{pipeline.outputs['RepositoryUri']}@{_digest(image.manifest.encode())}"


def _push_blob(ecr: Any, repository: str, digest: str, blob: bytes) -> None:
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    place = {"repositoryName": repository, "uploadId": upload}
    ecr.upload_layer_part(**place, partFirstByte=0, partLastByte=len(blob) - 1, layerPartBlob=blob)
    ecr.complete_layer_upload(**place, layerDigests=[digest])


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
