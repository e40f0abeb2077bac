"""`docker push`: an image goes into the account's registry, with the rights of who logged in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_account.image_builds.console import BuildError, Console
from local_account.image_builds.documents import MANIFEST_TYPE, BuiltImage, digest_of
from local_account.image_builds.local_images import with_tag
from local_account.registry_tokens import RegistryTokens
from local_account.service import Account

_PART_BYTES = 20 * 1024 * 1024
_REFERENCE = re.compile(r"(?P<registry>[^/]+)/(?P<repository>[^:@]+):(?P<tag>[^:@]+)")
# how docker words what the registry answers
_WORDS = {
    "AccessDeniedException": "denied",
    "RepositoryNotFoundException": "name unknown",
    "ImageTagAlreadyExistsException": "tag invalid",
    "ExpiredTokenException": "denied",
}


def registry_of(account: Account) -> str:
    """Return the host of the account's registry."""
    return f"{account.account_id}.dkr.ecr.{account.region}.amazonaws.com"


class Pushing:
    """Pushes to one account's registry, through its API."""

    def __init__(self, account: Account, tokens: RegistryTokens) -> None:
        self._account, self._tokens = account, tokens

    def log_in(self, registry: str, token: str) -> None:
        """Refuse a token that the registry did not give.

        Raises
        ------
        BuildError
            In the words of docker.
        """
        self._require_own(registry)
        if self._tokens.holder(token) is None:
            where = f"login attempt to https://{registry}/v2/ failed with status"
            raise BuildError(f"Error response from daemon: {where}: 400 Bad Request")

    def push(self, image: BuiltImage, reference: str, token: str, console: Console) -> str:
        """Push an image, blob by blob and the manifest last; return its digest.

        Raises
        ------
        BuildError
            In the words of docker, if the registry does not take it.
        """
        match = _REFERENCE.fullmatch(with_tag(reference))
        if match is None:
            raise BuildError(f"invalid reference format: {reference}")
        self._require_own(match["registry"])
        holder = self._tokens.holder(token) if token else None
        if holder is None:
            raise BuildError("no basic auth credentials")
        repository, tag = match["repository"], match["tag"]
        console.say(f"The push refers to repository [{match['registry']}/{repository}]")
        try:
            ecr = self._account.client("ecr", credentials=holder)
            return _pushed(ecr, image, repository, tag, console)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise BuildError(f"{_WORDS.get(code, code)}: {message}") from error

    def _require_own(self, registry: str) -> None:
        own = registry_of(self._account)
        if registry != own:
            found = f"{registry} is not a registry of this account, expected {own}"
            raise BuildError(f"Error response from daemon: {found}")


def _pushed(ecr: Any, image: BuiltImage, repository: str, tag: str, console: Console) -> str:
    for layer in image.layers:
        is_new = _push_blob(ecr, repository, layer.digest, _parts(layer.path))
        said = "Pushed" if is_new else "Layer already exists"
        console.say(f"{layer.diff_id.removeprefix('sha256:')[:12]}: {said}")
    _push_blob(ecr, repository, image.image_id, iter([image.config]))
    digest, size = digest_of(image.manifest), len(image.manifest)
    try:
        ecr.put_image(
            repositoryName=repository,
            imageManifest=image.manifest.decode(),
            imageManifestMediaType=MANIFEST_TYPE,
            imageTag=tag,
            imageDigest=digest,
        )
    except ecr.exceptions.ImageAlreadyExistsException:
        console.say(f"{tag}: is this image already")
    console.say(f"{tag}: digest: {digest} size: {size}")
    return digest


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            yield part


def _push_blob(ecr: Any, repository: str, digest: str, parts: Iterator[bytes]) -> bool:
    """Upload a blob unless the repository has it; tell whether it was new."""
    known = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])
    if any(layer["layerAvailability"] == "AVAILABLE" for layer in known["layers"]):
        return False
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    first = 0
    for part in parts:
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
        first += len(part)
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
    return True
