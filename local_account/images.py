"""What an image is here: a Docker manifest of the account's registry, made into a container.

The registry keeps Docker v2 schema 2 manifests, their configuration and layers. There are two
kinds of images. One that a container engine built has a root file system of its own, and its
layers are all of it. One that the rootless builder made has these labels in its configuration:

    org.opencontainers.image.base.name   what its Dockerfile names in FROM
    embedded-account.builder             "rootless"
    embedded-account.environment         the key of its environment in the store (environments.py)

Its layers (`tar.gz`) hold files below `/opt/program` and `/tmp` only: this machine's libraries and
the environment of the store stand for the rest. The configuration has, as Docker writes it,
`architecture`, `os`, `rootfs.diff_ids`, and in `config`: `Entrypoint`, `Cmd`, `Env`, `WorkingDir`
(in `/opt/program`), `Labels`. So that anything which writes these documents and calls ECR's API can
push an image that runs here.
"""

import hashlib
import json
import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from local_account import environments
from local_account.archives import Allowance, ArchiveError
from local_account.contained import Isolation
from local_account.layers import apply_layer, within
from local_account.limits import GIB, MIB
from local_account.sandbox import NETWORK_FILES
from local_account.service import Account

BASE_LABEL = "org.opencontainers.image.base.name"
BUILDER_LABEL = "embedded-account.builder"
ENVIRONMENT_LABEL = "embedded-account.environment"
ROOTLESS = "rootless"
ROOTLESS_FOLDERS = ("opt/program", "tmp")
"""Where a rootless image's files are, below its root."""
_MOUNT_POINTS = ("opt/program", "opt/ml", "tmp", "proc", "dev", "run", "etc")
_MAX_BYTES = 512 * MIB  # of all layers of a rootless image: code, no base
_MAX_ROOT_BYTES, _MAX_ROOT_FILES = 6 * GIB, 300_000  # of one that has a root file system
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
    """An image that was pulled: where its files are, and how it starts."""

    digest: str
    root: Path
    entrypoint: list[str]
    command: list[str]
    environment: dict[str, str]
    working_directory: str
    virtual_environment: Path | None
    """What a rootless image runs in; others have their own root file system."""

    @property
    def program(self) -> Path:
        """Return the folder that is `/opt/program`."""
        return self.root / "opt/program"


class Images:
    """Resolves image URIs in the account's registry and extracts each image once."""

    def __init__(self, account: Account, isolation: Isolation = "bwrap") -> None:
        self._account, self._isolation = account, isolation
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
        labels = config.get("Labels") or {}
        is_rootless = labels.get(BUILDER_LABEL) == ROOTLESS
        if not is_rootless and self._isolation != "bwrap":
            raise ImageError(
                f"Image {uri} has its own root file system, which needs bubblewrap to run here. "
                "Install bubblewrap, or build with MLOPS_IMAGE_BUILDER=rootless."
            )
        environment = self._environment(uri, labels) if is_rootless else None
        digest: str = found["imageId"]["imageDigest"]
        root = self._account.state / "images" / digest.removeprefix("sha256:")
        with self._lock:
            if not root.exists():
                self._extract([layer["digest"] for layer in manifest["layers"]], root, is_rootless)
        return Image(
            digest=digest,
            root=root,
            entrypoint=config.get("Entrypoint") or [],
            command=config.get("Cmd") or [],
            environment=dict(entry.split("=", 1) for entry in config.get("Env") or []),
            working_directory=config.get("WorkingDir") or "/",
            virtual_environment=environment,
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

    def _environment(self, uri: str, labels: dict[str, str]) -> Path:
        key, cache = labels.get(ENVIRONMENT_LABEL, ""), self._account.cache
        environment = environments.find(cache, key)
        if environment is None:
            raise ImageError(
                f"Image {uri} needs the environment {key!r} (its label {ENVIRONMENT_LABEL}), which "
                f"is not in {cache / 'environments'}. Build the image again."
            )
        return environment

    def _extract(self, layers: list[str], root: Path, is_rootless: bool) -> None:
        if len(layers) > _MAX_LAYERS:
            found = f"The image has {len(layers)} layers, expected at most {_MAX_LAYERS}"
            raise ImageError(f"{found}: build it with fewer steps")
        root.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=root.parent))
        name, below = f"The image {root.name[:12]}", ROOTLESS_FOLDERS if is_rootless else ()
        allowance = Allowance(name, _MAX_BYTES)
        if not is_rootless:
            allowance = Allowance(name, _MAX_ROOT_BYTES, _MAX_ROOT_FILES)
        try:
            for digest in layers:
                apply_layer(self._blob(digest), partial, allowance, below)
            _add_mount_points(partial)
        except (ArchiveError, ImageError, OSError) as error:
            shutil.rmtree(partial)
            raise ImageError(str(error)) from error
        partial.rename(root)

    def _blob(self, digest: str) -> Path:
        path = blob_path(self._account, digest)
        if not path.exists() or _digest_of_file(path) != digest:
            raise ImageError(f"Layer {digest} is missing or damaged in this account's registry")
        return path


def _add_mount_points(root: Path) -> None:
    """Make what the container's own folders and files are put upon."""
    for folder in _MOUNT_POINTS:
        within(root, PurePosixPath(folder)).mkdir(parents=True, exist_ok=True)
    for path in (PurePosixPath(name[1:]) for name in NETWORK_FILES):
        file = within(root, path.parent) / path.name
        if file.is_symlink():
            file.unlink()
        file.touch()


def repository_of(uri: str) -> str:
    """Return the repository that an image's URI names, or nothing if it is none."""
    match = _URI.fullmatch(uri)
    return match["repository"] if match else ""


def blob_path(account: Account, digest: str) -> Path:
    """Return where the registry keeps the bytes of a layer or config."""
    return account.state / "registry" / digest.removeprefix("sha256:")


def digest_of(content: bytes | bytearray) -> str:
    """Return the digest of a blob or manifest, as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
