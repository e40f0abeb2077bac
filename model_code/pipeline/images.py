"""A commit's images in ECR: `python -m pipeline.images` prints which tags are there already."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .errors import PipelineError
from .settings import Settings, line_of

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

DOCKER_V2 = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (
    DOCKER_V2,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True)
class Image:
    """An image in the repository."""

    tag: str
    digest: str
    media_type: str


def pushed_images(ecr: "ECRClient", repository: str, tags: Iterable[str]) -> dict[str, Image]:
    """Return those of the tags that the repository has."""
    answer = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageTag": tag} for tag in tags],
        acceptedMediaTypes=list(ACCEPTED),
    )
    found = {}
    for each in answer["images"]:
        name = each["imageId"]
        found[name["imageTag"]] = Image(
            name["imageTag"], name["imageDigest"], each.get("imageManifestMediaType", "none")
        )
    return found


def require_pushed(found: dict[str, Image], tag: str) -> Image:
    """Return the tag's image.

    Raises
    ------
    PipelineError
        If it is not there, or not of the media type that every part of SageMaker takes.
    """
    if tag not in found:
        raise PipelineError(f"{tag} is not in the repository; expected the push above to store it.")
    image = found[tag]
    if image.media_type != DOCKER_V2:
        raise PipelineError(
            f"{tag} has a manifest of type {image.media_type}; expected {DOCKER_V2}, because "
            "SageMaker hosting may refuse others. Build with --provenance=false and push a new "
            "commit: a tag is pushed once."
        )
    return image


def main() -> None:
    """Print the tags of this commit that need no build: a tag is pushed once."""
    try:
        settings = Settings.from_environment()
        found = pushed_images(boto3.client("ecr"), settings.repository_name, settings.tags)
    except (PipelineError, BotoCoreError, ClientError) as error:
        sys.exit(line_of(error))
    print(" ".join(tag for tag in settings.tags if tag in found))


if __name__ == "__main__":
    main()
