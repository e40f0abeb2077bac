"""The roles that SageMaker takes for jobs and models: what it does, it does with their rights."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_account.authorization.identities import Credentials
from local_account.images import Image, ImageError, Images, repository_of
from local_account.service import Account, ServiceError
from local_account.services.sagemaker.plane import invalid

_SERVICE = "sagemaker.amazonaws.com"
_NO_PULL = (
    "Cannot pull algorithm container. Either the image does not exist or its permissions are "
    "incorrect."
)


@dataclass(frozen=True)
class ExecutionRole:
    """One role, taken on behalf of one job or model (`source_arn`)."""

    account: Account
    arn: str
    source_arn: str

    @property
    def credentials(self) -> Credentials:
        """What SageMaker signs with, and a container that is not isolated.

        Raises
        ------
        ServiceError
            If SageMaker may not take the role.
        """
        return self.account.identities.of_role(self.arn, _SERVICE, "SageMaker", self.source_arn)

    def client(self, service: str) -> Any:
        """Return a client with the role's rights."""
        return self.account.client(service, credentials=self.credentials)

    def check(self) -> None:
        """Refuse a role that SageMaker may not take, as the request that names it is refused."""
        try:
            _ = self.credentials
        except ServiceError as error:
            raise invalid(
                f"Could not assume role {self.arn}. Please ensure that the role exists and allows "
                f"principal '{_SERVICE}' to assume the role."
            ) from error

    def environment(self, isolated: bool) -> dict[str, str]:
        """Return what a container finds the account with; an isolated one finds nothing."""
        return {} if isolated else self.account.environment(self.credentials)

    def encrypt_volume(self, key_id: str | None) -> None:
        """Let the service that keeps a volume use the key that the volume is encrypted with.

        Raises
        ------
        ServiceError
            If the role may not grant that.
        """
        if not key_id:
            return
        try:
            key = self.account.client("kms").describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
        except ClientError as error:
            raise ServiceError("NotFoundException", f"Invalid keyId {key_id}: {error}") from error
        for_a_resource = {"kms:GrantIsForAWSResource": "true"}
        self._require("kms:CreateGrant", key, context=for_a_resource)

    def pull(self, images: Images, uri: str) -> Image:
        """Pull an image as a container engine does that has the role's rights.

        Raises
        ------
        ImageError
            If the image cannot be run, or may not be pulled.
        """
        layers = self.account.arn("ecr", f"repository/{repository_of(uri)}")
        try:
            self._require("ecr:GetAuthorizationToken", "*")
            image = images.pull(uri, self.client("ecr"))
            self._require("ecr:GetDownloadUrlForLayer", layers)
        except (ServiceError, ClientError) as error:
            raise ImageError(f"{_NO_PULL} {error}") from error
        return image

    def _require(self, action: str, resource: str, **more: Any) -> None:
        self.account.identities.require(self.arn, action, resource, _SERVICE, **more)
