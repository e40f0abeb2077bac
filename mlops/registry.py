"""Images in the project's ECR repository: which are there, and pushing one through the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.errors import ResponseError
from mlops.image import MANIFEST_TYPE, TAG_SUFFIXES, Image, digest

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_ecr import ECRClient

    from mlops.target import Deployment

_PART_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class PushedImage:
    """An image in the repository."""

    tag: str
    digest: str
    pushed: datetime


def pushed_images(deployment: Deployment) -> dict[str, PushedImage]:
    """Return the repository's tagged images by tag."""
    pages = deployment.target.ecr.get_paginator("describe_images").paginate(
        repositoryName=deployment.repository_name, filter={"tagStatus": "TAGGED"}
    )
    images = [
        PushedImage(tag, each["imageDigest"], each["imagePushedAt"])
        for page in pages
        for each in page["imageDetails"]
        for tag in each.get("imageTags", [])
    ]
    return {image.tag: image for image in images}


def newest_tag(images: dict[str, PushedImage]) -> str | None:
    """Return the tag whose images runs use: the newest that has one of every target."""
    suffix = TAG_SUFFIXES["processing"]
    complete = [tag for tag in images if f"{tag}{suffix}" in images]
    return max(complete, key=lambda tag: images[tag].pushed, default=None)


def push_image(deployment: Deployment, image: Image, tag: str) -> None:
    """Push an image as `docker push` would, blob by blob and the manifest last.

    Raises
    ------
    ResponseError
        If the registry stores the manifest under another digest.
    """
    ecr, repository = deployment.target.ecr, deployment.repository_name
    for blob in (image.layer, image.config):
        _push_blob(ecr, repository, blob)
    stored = ecr.put_image(
        repositoryName=repository,
        imageManifest=image.manifest.decode(),
        imageManifestMediaType=MANIFEST_TYPE,
        imageTag=tag,
    )["image"]["imageId"]["imageDigest"]
    if stored != image.digest:
        raise ResponseError(
            f"{repository}:{tag} was stored as {stored}; expected {image.digest}. "
            "Delete that image and push again."
        )


def _push_blob(ecr: ECRClient, repository: str, blob: bytes) -> None:
    name = digest(blob)
    known = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[name])
    if any(layer["layerAvailability"] == "AVAILABLE" for layer in known["layers"]):
        return
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    for first in range(0, len(blob), _PART_BYTES):
        part = blob[first : first + _PART_BYTES]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[name])
