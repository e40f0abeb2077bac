"""ECR: the registry's bytes, its passwords and its scans; everything else is moto's.

moto forgets what was uploaded, takes a digest that is not the manifest's, does not ask whether
the layers of an image exist, has another error for an immutable tag, and scans nothing.
"""

import json
import threading
from collections.abc import Callable
from copy import copy
from typing import Any, Self

from moto.backends import get_backend
from moto.core.exceptions import ServiceException

from local_account.authorization.principals import Credentials
from local_account.images import blob_path, digest_of
from local_account.layer_downloads import LayerDownloads
from local_account.registry_tokens import RegistryTokens
from local_account.service import Account, JsonService, ServiceError
from local_account.services.ecr_scans import Scans
from local_account.services.eventbridge import Event, new_event


class Ecr(JsonService):
    """Keeps layers, and images by the digest of their manifest; scans images."""

    service_name = "ecr"
    answers_every_operation = False
    refusal = "InvalidParameterException"

    def __init__(
        self,
        account: Account,
        emit: Callable[[Event], None],
        tokens: RegistryTokens,
        downloads: LayerDownloads,
    ) -> None:
        super().__init__(account)
        self._downloads = downloads
        self._emit, self._tokens, self._scans = emit, tokens, Scans(account, emit)
        self._caller = Credentials(account.access_key_id, account.secret_access_key)
        self._backend: Any = get_backend("ecr")[account.account_id][account.region]
        self._lock = threading.Lock()

    def asked_by(self, caller: Credentials) -> Self:
        """Return the service as it acts for a caller: its passwords are that one's."""
        service = copy(self)
        service._caller = caller
        return service

    def get_authorization_token(self, params: dict[str, Any]) -> dict[str, Any]:
        """Give a password with which a container engine acts as whoever asks."""
        foreign = [i for i in params.get("registryIds", []) if i != self.account.account_id]
        if foreign:
            raise ServiceError("InvalidParameterException", f"There is no registry {foreign[0]}.")
        token, expires = self._tokens.issue(self._caller)
        host = f"{self.account.account_id}.dkr.ecr.{self.account.region}.amazonaws.com"
        data = {"authorizationToken": token, "expiresAt": expires}
        return {"authorizationData": [{**data, "proxyEndpoint": f"https://{host}"}]}

    def complete_layer_upload(self, params: dict[str, Any]) -> dict[str, Any]:
        """Keep the bytes of a layer, if they are what the client says they are."""
        repository = self._repository(params)
        upload = repository.uploads.get(params["uploadId"])
        content = upload.layer_parts if upload else b""
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

    def get_download_url_for_layer(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return where a layer of the repository can be had for a while, without credentials."""
        repository, digest = self._repository(params), params["layerDigest"]
        if digest not in repository.layers:
            message = f"The layer '{digest}' is not in '{repository.name}'."
            raise ServiceError("LayersNotFoundException", message)
        return {"downloadUrl": self._downloads.url(digest), "layerDigest": digest}

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
        is_new = not hasattr(image, "scan_started")
        if is_new and repository.image_scanning_configuration.get("scanOnPush"):
            self._scans.start(repository, image)
        return {
            "image": {
                "registryId": image.registry_id,
                "repositoryName": image.repository_name,
                "imageId": {"imageDigest": digest, "imageTag": params.get("imageTag")},
                "imageManifest": manifest,
                "imageManifestMediaType": image.image_manifest_media_type,
            }
        }

    def start_image_scan(self, params: dict[str, Any]) -> dict[str, Any]:
        """Scan an image, at most once a day."""
        repository, image = self._image(params)
        self._scans.start(repository, image)
        return {**self._scanned(params, image), "imageScanStatus": {"status": "IN_PROGRESS"}}

    def describe_image_scan_findings(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return what the last scan of an image found, or that it has not ended."""
        repository, image = self._image(params)
        status = getattr(image, "image_scan_status", None)
        if status is None:
            message = (
                f"Image scan does not exist for the image with '{_shown(params['imageId'])}' in "
                f"the repository with name '{repository.name}' in the registry with id "
                f"'{self.account.account_id}'"
            )
            raise ServiceError("ScanNotFoundException", message)
        found = getattr(image, "scan_found", None)
        answer = {**self._scanned(params, image), "imageScanStatus": status}
        return {**answer, "imageScanFindings": found} if found else answer

    def _scanned(self, params: dict[str, Any], image: Any) -> dict[str, Any]:
        return {
            "registryId": self.account.account_id,
            "repositoryName": params["repositoryName"],
            "imageId": {**params["imageId"], "imageDigest": image.image_digest},
        }

    def _image(self, params: dict[str, Any]) -> tuple[Any, Any]:
        repository, wanted = self._repository(params), params["imageId"]
        tag, digest = wanted.get("imageTag"), wanted.get("imageDigest")
        for image in repository.images:
            if tag in (None, *image.image_tags) and digest in (None, image.image_digest):
                return repository, image
        message = (
            f"The image with imageId {_shown(wanted)} does not exist within the repository with "
            f"name '{repository.name}' in the registry with id '{self.account.account_id}'"
        )
        raise ServiceError("ImageNotFoundException", message)

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


def _shown(image_id: dict[str, Any]) -> str:
    digest, tag = (image_id.get(name, "null") for name in ("imageDigest", "imageTag"))
    return f"{{imageDigest:'{digest}', imageTag:'{tag}'}}"


def _blobs(manifest: str) -> list[str]:
    """Return the digests that an image manifest refers to."""
    try:
        parsed = json.loads(manifest)
        return [blob["digest"] for blob in (parsed["config"], *parsed["layers"])]
    except (ValueError, KeyError, TypeError) as error:
        message = f"The image manifest is not a Docker v2 or OCI image manifest: {error!r}."
        raise ServiceError("InvalidParameterException", message) from error
