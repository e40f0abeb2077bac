"""The model code that a run used: out of its image, or the working copy if it is the same."""

from __future__ import annotations

import io
import json
import tarfile
import urllib.request
from typing import TYPE_CHECKING, Any

from mlops.errors import MismatchError, ResponseError
from mlops.image import (
    MANIFEST_TYPE,
    PACKAGE,
    PROGRAM_FOLDER,
    TARGETS,
    build_image,
    digest,
    source_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlops.target import Deployment

MAX_LAYER_BYTES = 1024**3
_PROGRAM = f"{PROGRAM_FOLDER}/{PACKAGE}/__main__.py"
_NOT_OFFERED = ("NotImplemented", "UnsupportedOperation")
"""How a registry says that it hands out no layers; any other error is one."""


def write_code(
    deployment: Deployment, image_uri: str, folder: Path, note: Callable[[str], None]
) -> None:
    """Write the code of an image below a folder.

    Raises
    ------
    MismatchError
        If the registry hands out no layers, and the working copy is another image.
    """
    wanted = image_uri.rpartition("@")[2]
    files = _from_registry(deployment, image_uri)
    if files is not None:
        note(f"code: out of the layers of image {wanted}")
    else:
        files = _working_copy(deployment, wanted)
        note(f"code: the working copy, whose image is {wanted} as well")
    for path, content in files.items():
        target = (folder / path).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise ResponseError(f"image {wanted} holds {path}, which leads out of its folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _working_copy(deployment: Deployment, wanted: str) -> dict[str, bytes]:
    files = source_files(deployment.project.root)
    found = build_image(files, TARGETS["model"]).digest
    if found == wanted:
        return files
    tag = _tag(deployment, wanted)
    raise MismatchError(
        f"the run used image {wanted}, and {deployment.project.root / PACKAGE} makes {found}; "
        f"expected the same code. Check out the commit whose `mlops image push` gave {tag}."
    )


def _tag(deployment: Deployment, wanted: str) -> str:
    from botocore.exceptions import ClientError

    try:
        described = deployment.target.ecr.describe_images(
            repositoryName=deployment.repository_name, imageIds=[{"imageDigest": wanted}]
        )["imageDetails"]
    except ClientError:
        return "that digest (the repository no longer has it)"
    tags = [tag for image in described for tag in image.get("imageTags", [])]
    return f"the tag {tags[0]}" if tags else "that digest"


def _from_registry(deployment: Deployment, image_uri: str) -> dict[str, bytes] | None:
    """Read the program out of the image's layers; None where the registry hands out none."""
    from botocore.exceptions import ClientError

    repository, _, wanted = image_uri.rpartition("/")[2].partition("@")
    if not wanted:
        raise MismatchError(f"{image_uri} names no digest, so which code ran is not known.")
    ecr = deployment.target.ecr
    try:
        answer = ecr.batch_get_image(
            repositoryName=repository,
            imageIds=[{"imageDigest": wanted}],
            acceptedMediaTypes=[MANIFEST_TYPE],
        )
        if not answer["images"]:
            return None
        manifest = json.loads(answer["images"][0]["imageManifest"])
        return _program([_Layer(ecr, repository, each) for each in manifest["layers"]])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _NOT_OFFERED:
            return None
        raise


class _Layer:
    """A layer of an image in the registry."""

    def __init__(self, ecr: Any, repository: str, described: Mapping[str, Any]) -> None:
        self._ecr, self._repository = ecr, repository
        self.digest, self.size = str(described["digest"]), int(described["size"])

    def files(self) -> dict[str, bytes]:
        """Return its files below the program's folder, by their path in it."""
        prefix = f"{PROGRAM_FOLDER}/"
        with tarfile.open(fileobj=io.BytesIO(self._content())) as archive:
            members = [each for each in archive if each.isfile()]
            named = {each.name.removeprefix("./"): each for each in members}
            return {
                name.removeprefix(prefix): self._read(archive, member)
                for name, member in named.items()
                if name.startswith(prefix)
            }

    def _read(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        file = archive.extractfile(member)
        return file.read() if file else b""

    def _content(self) -> bytes:
        if self.size > MAX_LAYER_BYTES:
            raise ResponseError(f"layer {self.digest} has {self.size} bytes; it is not read.")
        url = self._ecr.get_download_url_for_layer(
            repositoryName=self._repository, layerDigest=self.digest
        )["downloadUrl"]
        if not url.startswith("https://"):
            raise ResponseError(f"layer {self.digest} is offered at {url}; expected https.")
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - https, from the registry
            content: bytes = answer.read()
        if digest(content) != self.digest:
            raise MismatchError(f"layer {self.digest} arrived as {digest(content)}. Try again.")
        return content


def _program(layers: list[_Layer]) -> dict[str, bytes]:
    """Read layers from the last one down to the one that brought the program."""
    files: dict[str, bytes] = {}
    for layer in reversed(layers):
        files = layer.files() | files
        if _PROGRAM.removeprefix(f"{PROGRAM_FOLDER}/") in files:
            return files
    raise MismatchError(f"the image holds no /{_PROGRAM}; expected this project's model code.")
