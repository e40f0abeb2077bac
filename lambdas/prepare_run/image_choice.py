"""Which pair of images a run is to use, and whether it may: pure decisions."""

import re

from pydantic import ValidationError

from prepare_run.models import BuiltImage, ExecutionInput, ImagePair, PublishedImages
from shared.errors import ImageInvalid, ImageMissing
from shared.events import first_problem

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def asked_for(asked: ExecutionInput) -> BuiltImage | None:
    """Return the images that the execution's input names, or None."""
    if asked.image is None:
        return None
    return BuiltImage(
        pair=asked.image, commit=asked.commit, author=asked.author, message=asked.message
    )


def published(content: str | None, parameter_name: str) -> BuiltImage:
    """Return the images that the pipeline built last, from what it wrote of them.

    Raises
    ------
    ImageMissing
        If it has built none.
    ImageInvalid
        If somebody else wrote the parameter.
    """
    if content is None:
        raise ImageMissing(
            f"parameter {parameter_name} does not exist: no image has been built yet. Look at the "
            "pipeline, `mlops pipelines follow`, or let it build one, `mlops pipelines start`."
        )
    try:
        images = PublishedImages.model_validate_json(content)
    except ValidationError as error:
        raise ImageInvalid(
            f"parameter {parameter_name}: {first_problem(error)}. Let the pipeline write it: "
            "`mlops pipelines start`."
        ) from error
    return BuiltImage(
        pair=ImagePair(training=images.training, processing=images.processing),
        commit=images.commit,
        author=images.author,
        message=images.message,
    )


def digests(built: BuiltImage, repository_uri: str, source: str) -> dict[str, str]:
    """Return the digest of each image by its URI.

    Raises
    ------
    ImageInvalid
        If one is of another repository or not named by its digest: the roles may pull from
        this one only, and a tag may be moved.
    """
    found: dict[str, str] = {}
    for uri in (built.pair.training, built.pair.processing):
        repository, _, digest = uri.rpartition("@")
        if repository != repository_uri or not DIGEST.fullmatch(digest):
            raise ImageInvalid(
                f"image {uri[:300]!r} of {source}: expected {repository_uri}@sha256:<64 hex "
                "digits>. Name an image of this project's repository by its digest."
            )
        found[uri] = digest
    return found
