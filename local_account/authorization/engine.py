"""Judge accesses by the policies that the account has now, and keep a record of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local_account.authorization.conditions import PolicyError
from local_account.authorization.decision import Decision, decide
from local_account.authorization.documents import Access
from local_account.authorization.principals import Principal
from local_account.authorization.record import Record
from local_account.authorization.sources import Sources
from local_account.service import ServiceError

if TYPE_CHECKING:
    from local_account.service import Account


class Engine:
    """Decides, words refusals and records."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.sources = Sources(account)
        self.record = Record(account.state, account.account_id, account.region)

    def judge(self, principal: Principal, access: Access) -> Decision:
        """Return whether a principal may have an access.

        Raises
        ------
        ServiceError
            If a policy has something that this account cannot judge.
        """
        policies = self.sources.policies(principal, access)
        context = {**self._context(principal), **access.context}
        try:
            decision = decide(principal, access, policies, context, self._account.account_id)
        except PolicyError as error:
            raise ServiceError("UnsupportedOperation", str(error), 501) from error
        if principal.kind != "account":
            self.record.add(principal, access, decision, policies)
        return decision

    def _context(self, principal: Principal) -> Mapping[str, tuple[str, ...]]:
        now = datetime.now(UTC)
        return {
            **common_context(principal, self._account.account_id, self._account.region),
            "aws:currenttime": (now.isoformat(timespec="seconds"),),
            "aws:epochtime": (str(int(now.timestamp())),),
        }


def common_context(
    principal: Principal, account_id: str, region: str
) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that all requests of a principal have, whenever they are made."""
    service = principal.kind == "service"
    keys = {
        "aws:principalisawsservice": str(service).lower(),
        "aws:viaawsservice": "false",
        "aws:resourceaccount": account_id,
        "s3:resourceaccount": account_id,
        "kms:calleraccount": account_id,
        "aws:requestedregion": region,
        "aws:sourceip": "127.0.0.1",
        # a request over loopback stands for one over TLS
        "aws:securetransport": "true",
        "s3:tlsversion": "1.3",
    }
    if service:
        keys |= {"aws:principalservicename": principal.arn, "aws:sourceaccount": account_id}
    else:
        kinds = {"account": "Account", "user": "User", "role": "AssumedRole"}
        keys |= {
            "aws:principalarn": principal.identity_arn or principal.arn,
            "aws:principalaccount": account_id,
            "aws:principaltype": kinds[principal.kind],
        }
    keys |= {key.lower(): value for key, value in principal.context.items()}
    return {key: (value,) for key, value in keys.items()}


def refusal(principal: Principal, access: Access, decision: Decision) -> str:
    """Word a denial as AWS does."""
    resource = f'"{access.resource}"' if access.action.startswith("s3:") else access.resource
    return (
        f"User: {principal.arn} is not authorized to perform: {access.action} "
        f"on resource: {resource} {decision.reason}"
    )
