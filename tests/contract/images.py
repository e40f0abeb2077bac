"""Images for contract tests: pushed by ECR's own API, as a container engine's client would."""

import json
from typing import Any

from mlops.image import Image, build_image, digest, source_files
from tests.conftest import ROOT


def model_image() -> Image:
    """Return the image of the project's model code."""
    return build_image(source_files(ROOT), "model-code")


def push(ecr: Any, repository: str, image: Image, tag: str) -> str:
    """Push an image under a tag and return its digest."""
    for blob in (image.config, image.layer):
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
