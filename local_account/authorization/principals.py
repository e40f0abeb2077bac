"""Who a request comes from, and whether a policy's Principal means it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Named(IntEnum):
    """How a policy names a principal; a role or an account is less than the principal itself."""

    NOT = 0
    BY_ACCOUNT = 1
    BY_ROLE = 2
    ITSELF = 3


@dataclass(frozen=True)
class Credentials:
    """What signs the requests of one identity."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


@dataclass(frozen=True)
class Principal:
    """One identity that signs requests.

    Attributes
    ----------
    kind
        "account" (its administrator), "user", "role" (a session of one) or "service".
    arn
        What AWS's messages call it; the name of the service where it is one.
    identity_arn
        The user or role whose policies it has; of others, nothing.
    context
        The condition keys that it brings along, such as `aws:SourceArn`.
    session_policy
        The document that its session was limited with, if it was.
    """

    kind: str
    arn: str
    identity_arn: str = ""
    context: Mapping[str, str] = field(default_factory=dict, compare=False)
    session_policy: str = ""

    def named(self, element: Any, account_id: str) -> Named:
        """Tell how a Principal element names this principal."""
        if element == "*":
            return Named.ITSELF
        entries = {kind: listed(values) for kind, values in element.items()}
        if self.kind == "service":
            services = [*entries.get("Service", ()), *entries.get("AWS", ())]
            return Named.ITSELF if {self.arn, "*"} & set(services) else Named.NOT
        names = (self._as(text, account_id) for text in entries.get("AWS", ()))
        return max(names, default=Named.NOT)

    def _as(self, text: str, account_id: str) -> Named:
        if text in ("*", self.arn) or (self.kind == "user" and text == self.identity_arn):
            return Named.ITSELF
        if text and text == self.identity_arn:
            return Named.BY_ROLE
        if text in (account_id, f"arn:aws:iam::{account_id}:root"):
            return Named.BY_ACCOUNT
        return Named.NOT


def listed(value: Any) -> tuple[str, ...]:
    """Return what a policy may write as one text or as a list of them."""
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (_text(value),)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def session_arn(role_arn: str, session: str) -> str:
    """Return the ARN of a session of a role, which leaves the role's path out."""
    account = role_arn.split(":")[4]
    return f"arn:aws:sts::{account}:assumed-role/{role_arn.rpartition('/')[2]}/{session}"
