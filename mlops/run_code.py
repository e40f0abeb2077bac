"""The model code that a run used, out of the layers of its image."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import urllib.request
from typing import TYPE_CHECKING, Any

from mlops.errors import MismatchError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlops.target import Deployment, Target

PACKAGE = "model_code"
PROGRAM_FOLDER = "opt/program"
MAX_LAYER_BYTES = 1024**3
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_MAIN = f"{PACKAGE}/__main__.py"


def write_code(
    deployment: Deployment, image_uri: str, folder: Path, note: Callable[[str], None]
) -> None:
    """Write the code of an image below a folder.

    Raises
    ------
    MismatchError
        If the registry does not have the image any more, or it is another project's.
    """
    wanted = image_uri.rpartition("@")[2]
    files = _from_registry(deployment, image_uri)
    note(f"code: out of the layers of image {wanted}")
    for path, content in files.items():
        target = (folder / path).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise ResponseError(f"image {wanted} holds {path}, which leads out of its folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _from_registry(deployment: Deployment, image_uri: str) -> dict[str, bytes]:
    repository, _, wanted = image_uri.partition("/")[2].partition("@")
    if not wanted:
        raise MismatchError(f"{image_uri} names no digest, so which code ran is not known.")
    answer = deployment.target.ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageDigest": wanted}],
        acceptedMediaTypes=[_MANIFEST_TYPE],
    )
    if not answer["images"]:
        raise MismatchError(
            f"repository {repository} has no image {wanted} any more. Check out the commit that "
            "the run used and push it under a new one: the same commit gives the same image."
        )
    manifest = json.loads(answer["images"][0]["imageManifest"])
    return _program([_Layer(deployment.target, repository, each) for each in manifest["layers"]])


class _Layer:
    """A layer of an image in the registry."""

    def __init__(self, target: Target, repository: str, described: Mapping[str, Any]) -> None:
        self._target, self._repository = target, repository
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
        url = self._target.ecr.get_download_url_for_layer(
            repositoryName=self._repository, layerDigest=self.digest
        )["downloadUrl"]
        if not url.startswith(("https://", "http://127.0.0.1:")):
            raise ResponseError(f"layer {self.digest} is offered at {url}; expected https.")
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - checked above
            content: bytes = answer.read()
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if found != self.digest:
            raise MismatchError(f"layer {self.digest} arrived as {found}. Try again.")
        return content


def _program(layers: list[_Layer]) -> dict[str, bytes]:
    """Read layers from the last one down to the one that brought the program."""
    files: dict[str, bytes] = {}
    for layer in reversed(layers):
        files = layer.files() | files
        if _MAIN in files:
            return files
    raise MismatchError(
        f"the image holds no /{PROGRAM_FOLDER}/{_MAIN}; expected this project's model code."
    )
