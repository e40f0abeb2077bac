"""The images that runs use: what the last build that came through put into the parameter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.errors import ResponseError
from mlops.project import command

if TYPE_CHECKING:
    from mlops.target import Deployment


@dataclass(frozen=True)
class ImagesInUse:
    """A pair of images by digest, and the commit that they were made of."""

    training: str
    processing: str
    commit: str
    message: str

    @property
    def digest(self) -> str:
        """Return the digest of the image that trains and serves."""
        return self.training.rpartition("@")[2]


def images_in_use(deployment: Deployment) -> ImagesInUse | None:
    """Return what runs use that name no image; None before the first build.

    Raises
    ------
    ResponseError
        If the parameter holds something else.
    """
    name, ssm = deployment.image_parameter, deployment.target.ssm
    try:
        value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None
    try:
        document = json.loads(value)
        return ImagesInUse(
            training=str(document["training"]),
            processing=str(document["processing"]),
            commit=str(document["commit"]),
            message=str(document.get("message", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        again = command(deployment.env, "pipelines start")
        raise ResponseError(
            f"parameter {name} is {value[:80]!r}: {error!r}; expected the JSON document that a "
            f"build writes. Let the pipeline write it: `{again}`."
        ) from error
