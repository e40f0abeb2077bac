"""The roles of pipelines and of their actions, with whose rights CodePipeline does everything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_account.authorization.principals import Credentials
from local_account.service import Account, ServiceError
from local_account.services.codepipeline.records import ActionFailed

SERVICE = "codepipeline.amazonaws.com"


@dataclass(frozen=True)
class ActionRole:
    """The role that an action works with: the pipeline's, or one that the pipeline's assumes."""

    account: Account
    pipeline_arn: str
    pipeline_role: str
    own_role: str = ""

    @property
    def arn(self) -> str:
        """The role whose rights count."""
        return self.own_role or self.pipeline_role

    def client(self, service: str) -> Any:
        """Return a client with the role's rights.

        Raises
        ------
        ActionFailed
            If the role cannot be taken.
        """
        return self.account.client(service, credentials=self._credentials())

    def require(self, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        """Refuse what the role may not do and no request shows.

        Parameters
        ----------
        context
            The condition keys of the access.

        Raises
        ------
        ServiceError
            In IAM's words.
        """
        self._credentials()
        self.account.identities.require(self.arn, action, resource, SERVICE, context)

    def _credentials(self) -> Credentials:
        name = self.pipeline_arn.rpartition(":")[2]
        try:
            credentials = self.account.identities.of_role(
                self.pipeline_role, SERVICE, name, self.pipeline_arn
            )
            return self._assumed(credentials, name) if self.own_role else credentials
        except (ServiceError, ClientError) as error:
            words = f"CodePipeline is not authorized to perform AssumeRole on role {self.arn}"
            raise ActionFailed("PermissionError", f"{words}: {error}") from error

    def _assumed(self, credentials: Credentials, name: str) -> Credentials:
        sts = self.account.client("sts", credentials=credentials)
        answer = sts.assume_role(RoleArn=self.own_role, RoleSessionName=name[:64])["Credentials"]
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return Credentials(*(answer[each] for each in names))
