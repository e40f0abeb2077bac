"""CloudFormation: in whose name a stack's resources are made."""

from dataclasses import dataclass, fields
from typing import Any

from local_account.authorization.identities import Identities, NotAssumable
from local_account.authorization.principals import Credentials
from local_account.service import Account
from local_account.services.cloudformation.intrinsics import invalid

_SERVICE, _SESSION = "cloudformation.amazonaws.com", "AWSCloudFormation"


@dataclass(frozen=True)
class Acting(Account):
    """An account whose clients are somebody's: they are refused what that one may not do."""

    credentials: Credentials | None = None

    def client(
        self, service_name: str, *, retries: bool = True, credentials: Credentials | None = None
    ) -> Any:
        """Return the client of a service, by default with these credentials."""
        chosen = credentials or self.credentials
        return super().client(service_name, retries=retries, credentials=chosen)


def acting(account: Account, credentials: Credentials) -> Account:
    """Return an account as somebody's requests meet it."""
    same = {each.name: getattr(account, each.name) for each in fields(Account)}
    return Acting(**same, credentials=credentials)


def acting_role(account: Account, identities: Identities, role_arn: str) -> Account:
    """Return an account as the role of a stack meets it.

    Raises
    ------
    ServiceError
        If CloudFormation may not assume the role.
    """
    try:
        credentials = identities.of_role(role_arn, _SERVICE, _SESSION)
    except NotAssumable as error:
        raise invalid(f"Role {role_arn} is invalid or cannot be assumed") from error
    return acting(account, credentials)
