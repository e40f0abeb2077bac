"""Built images: layers in files, and the documents that make an image of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Layer:
    """A layer, packed: its file, its digest, and the digest of what is packed in it."""

    path: Path
    digest: str
    diff_id: str
    size: int


@dataclass(frozen=True)
class BuiltImage:
    """An image in the hands of a daemon: its configuration, as bytes, and its layers."""

    config: bytes
    layers: tuple[Layer, ...]

    @property
    def image_id(self) -> str:
        """Return what docker calls the image before it is pushed."""
        return digest_of(self.config)

    @property
    def manifest(self) -> bytes:
        """Return the manifest, Docker's schema 2: SageMaker's hosting may refuse OCI's."""
        layers = [_descriptor(_LAYER_TYPE, layer.digest, layer.size) for layer in self.layers]
        return document(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": _descriptor(_CONFIG_TYPE, self.image_id, len(self.config)),
                "layers": layers,
            }
        )

    def inspected(self) -> dict[str, Any]:
        """Return the configuration, read."""
        config: dict[str, Any] = json.loads(self.config)
        return config


def document(content: Mapping[str, Any]) -> bytes:
    """Return a document as the same bytes for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def digest_of(content: bytes) -> str:
    """Return the digest of a document or blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "size": size, "digest": digest}
