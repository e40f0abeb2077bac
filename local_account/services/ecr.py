"""ECR: the registry's bytes, which moto does not keep; everything else is moto's.

moto forgets what was uploaded, takes a digest that is not the manifest's, does not ask whether
the layers of an image exist, and has another error for an immutable tag.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import ServiceException

from local_account.images import blob_path, digest_of
from local_account.service import Account, JsonService, ServiceError
from local_account.services.eventbridge import Event, new_event


class Ecr(JsonService):
    """Keeps layers, and images by the digest of their manifest."""

    service_name = "ecr"
    answers_every_operation = False
    refusal = "InvalidParameterException"

    def __init__(self, account: Account, emit: Callable[[Event], None]) -> None:
        super().__init__(account)
        self._emit = emit
        self._backend: Any = get_backend("ecr")[account.account_id][account.region]
        self._lock = threading.Lock()

    def complete_layer_upload(self, params: dict[str, Any]) -> dict[str, Any]:
        """Keep the bytes of a layer, if they are what the client says they are."""
        repository = self._repository(params)
        upload = repository.uploads.get(params["uploadId"])
        content = bytes(upload.layer_parts) if upload else b""
        digest = digest_of(content)
        if upload and digest not in params["layerDigests"]:
            found = f"found {digest}, expected one of {params['layerDigests']}"
            raise ServiceError("InvalidLayerException", f"The layer's digest is wrong: {found}.")
        path = blob_path(self.account, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        answer: dict[str, Any] = self._moto(
            "complete_layer_upload",
            repository_name=params["repositoryName"],
            upload_id=params["uploadId"],
            layer_digests=params["layerDigests"],
        )
        return answer

    def put_image(self, params: dict[str, Any]) -> dict[str, Any]:
        """Add an image whose layers exist, or a tag to one; immutable tags stay what they are."""
        repository = self._repository(params)
        manifest, digest = params["imageManifest"], digest_of(params["imageManifest"].encode())
        if params.get("imageDigest", digest) != digest:
            message = f"Image digest does not match: found {digest}, got {params['imageDigest']}."
            raise ServiceError("ImageDigestDoesNotMatchException", message)
        missing = [layer for layer in _blobs(manifest) if layer not in repository.layers]
        if missing:
            message = f"Layers with digests '{missing}' are not in '{params['repositoryName']}'."
            raise ServiceError("LayersNotFoundException", message)
        with self._lock:
            self._refuse_taken_tag(repository, params.get("imageTag"), digest)
            image = self._moto(
                "put_image",
                repository_name=params["repositoryName"],
                image_manifest=manifest,
                image_tag=params.get("imageTag"),
                image_manifest_mediatype=params.get("imageManifestMediaType"),
                digest=digest,
            )
        self._pushed(params, digest)
        return {
            "image": {
                "registryId": image.registry_id,
                "repositoryName": image.repository_name,
                "imageId": {"imageDigest": digest, "imageTag": params.get("imageTag")},
                "imageManifest": manifest,
                "imageManifestMediaType": image.image_manifest_media_type,
            }
        }

    def _pushed(self, params: dict[str, Any], digest: str) -> None:
        """Tell the default bus of an image; the event names no resource."""
        tag = {"image-tag": params["imageTag"]} if params.get("imageTag") else {}
        detail = {
            "result": "SUCCESS",
            "repository-name": params["repositoryName"],
            "image-digest": digest,
            "action-type": "PUSH",
            **tag,
        }
        self._emit(new_event(self.account, "aws.ecr", "ECR Image Action", [], detail))

    def _repository(self, params: dict[str, Any]) -> Any:
        name = params["repositoryName"]
        if name not in self._backend.repositories:
            registry = f"the registry with id '{self.account.account_id}'"
            message = f"The repository with name '{name}' does not exist in {registry}"
            raise ServiceError("RepositoryNotFoundException", message)
        return self._backend.repositories[name]

    def _refuse_taken_tag(self, repository: Any, tag: str | None, digest: str) -> None:
        holders = [image for image in repository.images if tag in image.image_tags]
        if holders and holders[0].image_digest != digest and repository.is_tag_immutable():
            message = (
                f"The image tag '{tag}' already exists in the '{repository.name}' repository "
                "and cannot be overwritten because the tag is immutable."
            )
            raise ServiceError("ImageTagAlreadyExistsException", message)

    def _moto(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._backend, operation)(**arguments)
        except ServiceException as error:
            raise ServiceError(error.code, error.message) from error


def _blobs(manifest: str) -> list[str]:
    """Return the digests that an image manifest refers to."""
    try:
        parsed = json.loads(manifest)
        return [blob["digest"] for blob in (parsed["config"], *parsed["layers"])]
    except (ValueError, KeyError, TypeError) as error:
        message = f"The image manifest is not a Docker v2 or OCI image manifest: {error!r}."
        raise ServiceError("InvalidParameterException", message) from error
