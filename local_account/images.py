"""What an image is here: a Docker manifest of the account's registry, run in a known environment.

An image pushed to the registry holds code below `/opt/program`, an entrypoint, and the name
of its base in a label. The base is a Python environment of this machine: the account is
told at start which one stands for which name.
"""

import hashlib
import json
import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_account.archives import ArchiveError, extract_tar
from local_account.limits import MIB
from local_account.service import Account

BASE_LABEL = "org.opencontainers.image.base.name"
_PROGRAM = "opt/program"
_MAX_BYTES = 512 * MIB  # of all layers: code, no base
_MAX_LAYERS = 127  # as in Docker
_URI = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.[^/]+/(?P<repository>[^:@]+)"
    r"(:(?P<tag>[^@]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class ImageError(Exception):
    """An image cannot be run; the message is one line."""


class ImageNotFound(ImageError):
    """The registry has no such repository or image."""


@dataclass(frozen=True)
class Image:
    """An image that was pulled: where its code is, and how it starts."""

    digest: str
    program: Path
    entrypoint: list[str]
    environment: dict[str, str]
    virtual_environment: Path


class Images:
    """Resolves image URIs in the account's registry and extracts each image once."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()

    def resolve(self, uri: str) -> str:
        """Return the digest of an image.

        Raises
        ------
        ImageNotFound
            If the registry does not have it.
        """
        ecr = self._account.client("ecr")
        digest: str = self._lookup(uri, ecr)["imageId"]["imageDigest"]
        return digest

    def pull(self, uri: str, ecr: Any) -> Image:
        """Return an image, its code extracted; `ecr` is the client of who pulls it.

        Raises
        ------
        ImageError
            If the image is absent, damaged, unsafe, or of an unknown base.
        """
        found = self._lookup(uri, ecr)
        manifest = json.loads(found["imageManifest"])
        config = json.loads(self._blob(manifest["config"]["digest"]).read_bytes())["config"]
        digest: str = found["imageId"]["imageDigest"]
        root = self._account.state / "images" / digest.removeprefix("sha256:")
        with self._lock:
            if not root.exists():
                self._extract([layer["digest"] for layer in manifest["layers"]], root)
        return Image(
            digest=digest,
            program=root / _PROGRAM,
            entrypoint=config.get("Entrypoint") or [],
            environment=dict(entry.split("=", 1) for entry in config.get("Env") or []),
            virtual_environment=self._base(uri, config.get("Labels") or {}),
        )

    def _lookup(self, uri: str, ecr: Any) -> dict[str, Any]:
        match = _URI.fullmatch(uri)
        if match is None or match["registry"] != self._account.account_id:
            raise ImageNotFound(f"{uri} is not an image of this account's registry")
        wanted = {"imageDigest": match["digest"]} if match["digest"] else {}
        try:
            answer = ecr.batch_get_image(
                repositoryName=match["repository"],
                imageIds=[wanted or {"imageTag": match["tag"] or "latest"}],
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDeniedException":
                raise
            raise ImageNotFound(f"Requested image {uri} not found") from error
        if not answer["images"]:
            raise ImageNotFound(f"Requested image {uri} not found")
        image: dict[str, Any] = answer["images"][0]
        return image

    def _base(self, uri: str, labels: dict[str, str]) -> Path:
        name, known = labels.get(BASE_LABEL, ""), self._account.base_environments
        if name not in known:
            raise ImageError(
                f"Image {uri} has the base {name!r} in its label {BASE_LABEL}, expected one of "
                f"{sorted(known)}. Start the account with --base-environment NAME=VENV."
            )
        return known[name]

    def _extract(self, layers: list[str], root: Path) -> None:
        if len(layers) > _MAX_LAYERS:
            found = f"The image has {len(layers)} layers, expected at most {_MAX_LAYERS}"
            raise ImageError(f"{found}: build it with fewer steps")
        root.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=root.parent))
        (partial / _PROGRAM).mkdir(parents=True)
        left = _MAX_BYTES
        try:
            for digest in layers:
                left -= extract_tar(self._blob(digest), partial, left, below=_PROGRAM)
        except (ArchiveError, ImageError) as error:
            shutil.rmtree(partial)
            raise ImageError(str(error)) from error
        partial.rename(root)

    def _blob(self, digest: str) -> Path:
        path = blob_path(self._account, digest)
        if not path.exists() or digest_of(path.read_bytes()) != digest:
            raise ImageError(f"Layer {digest} is missing or damaged in this account's registry")
        return path


def repository_of(uri: str) -> str:
    """Return the repository that an image's URI names, or nothing if it is none."""
    match = _URI.fullmatch(uri)
    return match["repository"] if match else ""


def blob_path(account: Account, digest: str) -> Path:
    """Return where the registry keeps the bytes of a layer or config."""
    return account.state / "registry" / digest.removeprefix("sha256:")


def digest_of(content: bytes) -> str:
    """Return the digest of a blob or manifest, as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
