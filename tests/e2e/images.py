"""Images of the model code in a pipeline's registry, without the build that makes them."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.contract.images import image_of, model_files, push

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Pipeline

TARGETS = {"training": "requirements.lock", "processing": "requirements-processing.lock"}
SUFFIXES = {"training": "", "processing": "-processing"}
_NOBODY = "sha256:" + 64 * "0"


def put_images(pipeline: Pipeline, folder: Path = ROOT) -> dict[str, str]:
    """Push both images of a folder's model code and let runs use them: the parameter's content."""
    code = folder / "model_code"
    files = model_files(code)
    images = {target: image_of(files, code / lock) for target, lock in TARGETS.items()}
    content = b"".join(image.manifest for image in images.values())
    commit = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    ecr, repository = pipeline.account.client("ecr"), pipeline.outputs["RepositoryName"]
    uris = {
        target: f"{pipeline.outputs['RepositoryUri']}"
        f"@{push(ecr, repository, image, f'{commit}{SUFFIXES[target]}')}"
        for target, image in images.items()
    }
    return publish(pipeline, **uris, commit=commit)


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
