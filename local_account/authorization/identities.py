"""Who acts: sessions of roles that services assume, services as themselves, and whose a key is."""

import re
import secrets
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local_account.authorization.documents import Access
from local_account.authorization.engine import Engine, refusal
from local_account.authorization.principals import Credentials, Principal, session_arn
from local_account.service import ServiceError

if TYPE_CHECKING:
    from local_account.service import Account

__all__ = ["Credentials", "Identities", "NotAssumable"]

_NOT_IN_SESSION_NAMES = re.compile(r"[^\w+=,.@-]")
_LONGEST_SESSION_NAME = 64
_FOREVER_SECONDS = 10 * 365 * 86_400


class NotAssumable(ServiceError):
    """A role's trust policy does not let a service assume it, or there is no such role."""

    def __init__(self, message: str) -> None:
        super().__init__("AccessDeniedException", message)


class Identities:
    """The identities of an account."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.engine = Engine(account)
        self._lock = threading.Lock()
        self._issued: dict[tuple[str, ...], Credentials] = {}
        root = Principal("account", f"arn:aws:iam::{account.account_id}:root")
        own = Credentials(account.access_key_id, account.secret_access_key)
        self._known: dict[str, tuple[Principal, Credentials]] = {own.access_key_id: (root, own)}

    def of_role(
        self, role_arn: str, service: str, session: str, source_arn: str = ""
    ) -> Credentials:
        """Return a session of a role that a service assumes, always the same one.

        Parameters
        ----------
        role_arn
            The role, whose trust policy is evaluated each time.
        service
            Who assumes it, such as "lambda.amazonaws.com".
        session
            The session's name; what may not be in one is replaced.
        source_arn
            The resource on whose behalf the service acts.

        Raises
        ------
        NotAssumable
            If the trust policy does not allow it, or there is no such role.
        """
        access = Access("sts:AssumeRole", role_arn)
        decision = self.engine.judge(_service(service, source_arn), access)
        if not decision.allowed:
            raise NotAssumable(
                f"{service} is unable to assume the role {role_arn}: its trust policy does not "
                f"allow sts:AssumeRole to {service}; add the service as a Principal."
            )
        name = _NOT_IN_SESSION_NAMES.sub("-", session)[:_LONGEST_SESSION_NAME].ljust(2, "-")
        with self._lock:
            identity = (role_arn, service, name, source_arn)
            if identity not in self._issued:
                self._issued[identity] = self._session(role_arn, name)
            return self._issued[identity]

    def of_service(self, service: str, source_arn: str = "") -> Credentials:
        """Return what a service signs with that acts as itself: resource policies decide."""
        with self._lock:
            identity = (service, source_arn)
            if identity not in self._issued:
                key = Credentials(f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))
                self._known[key.access_key_id] = _service(service, source_arn), key
                self._issued[identity] = key
            return self._issued[identity]

    def require(
        self,
        role_arn: str,
        action: str,
        resource: str,
        service: str,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Refuse what a role may not do and no request shows, such as a check at creation.

        Parameters
        ----------
        service
            Whose check it is, such as "states.amazonaws.com"; the session is named after it.
        context
            The condition keys of the access, such as `kms:GrantIsForAWSResource`.

        Raises
        ------
        ServiceError
            If the role's policies do not allow it.
        """
        session = service.partition(".")[0]
        principal = Principal("role", session_arn(role_arn, session), role_arn)
        keys = {key.lower(): (value,) for key, value in (context or {}).items()}
        access = Access(action, resource, keys)
        decision = self.engine.judge(principal, access)
        if not decision.allowed:
            raise ServiceError("AccessDeniedException", refusal(principal, access, decision))

    def identify(self, access_key_id: str) -> tuple[Principal, Credentials] | None:
        """Return whose an access key is, with the secret and token that belong to it."""
        if found := self._known.get(access_key_id) or self._user(access_key_id):
            return found
        if session := self._sts.get_assumed_role_from_access_key(access_key_id):
            arn = session_arn(session.role_arn, session.session_name)
            limit = session.policy or ""
            principal = Principal("role", arn, session.role_arn, session_policy=limit)
            key = Credentials(access_key_id, session.secret_access_key, session.session_token)
            self._known[access_key_id] = principal, key
            return principal, key
        return None

    def acts_for(self, access_key_id: str) -> tuple[str, str]:
        """Return which service took a role with an access key, and on behalf of what resource.

        Both are empty where no service did.
        """
        with self._lock:
            issued = list(self._issued.items())
        found = (who for who, key in issued if key.access_key_id == access_key_id and len(who) == 4)
        _, service, _, source_arn = next(found, ("", "", "", ""))
        return service, source_arn

    def is_over(self, access_key_id: str) -> bool:
        """Tell whether a session of a role has lasted as long as it was asked for."""
        from moto.core.utils import utcnow

        session = self._sts.get_assumed_role_from_access_key(access_key_id)
        return session is not None and bool(session.expiration < utcnow())

    def _user(self, access_key_id: str) -> tuple[Principal, Credentials] | None:
        for user in self.engine.sources.backend("iam").users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key_id and key.status == "Active":
                    principal = Principal("user", user.arn, user.arn, {"aws:username": user.name})
                    return principal, Credentials(access_key_id, key.secret_access_key)
        return None

    def _session(self, role_arn: str, name: str) -> Credentials:
        session = self._sts.assume_role(
            region_name=self._account.region,
            role_session_name=name,
            role_arn=role_arn,
            policy="",
            duration=_FOREVER_SECONDS,
            external_id="",
        )
        return Credentials(session.access_key_id, session.secret_access_key, session.session_token)

    @property
    def _sts(self) -> Any:
        return self.engine.sources.backend("sts")


def _service(name: str, source_arn: str) -> Principal:
    return Principal("service", name, context={"aws:SourceArn": source_arn} if source_arn else {})
