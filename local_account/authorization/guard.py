"""The account's guard: whose a request is, and whether all that it needs is allowed."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from local_account import parity
from local_account.authorization.accesses import Accesses
from local_account.authorization.conditions import PolicyError
from local_account.authorization.documents import Access, statements
from local_account.authorization.engine import refusal
from local_account.authorization.git_signatures import git_signature_of, require_genuine_git
from local_account.authorization.implied import Implied
from local_account.authorization.principals import Credentials, Principal
from local_account.authorization.signatures import require_genuine
from local_account.operations import Call, Environ, call_of, scope_of
from local_account.service import Account, ServiceError

_REST = {"lambda", "scheduler"}
# services whose errors are those of the query protocol, whatever protocol they speak now
_QUERY = {"s3", "sts", "iam", "cloudformation", "monitoring", "sqs", "sns"}
_EXPIRED = "The security token included in the request is expired"
_DOCUMENTS = ("PolicyDocument", "AssumeRolePolicyDocument", "Policy", "policyText")


class Guard:
    """Admits requests and authorizes them."""

    def __init__(self, account: Account) -> None:
        self._identities, self._region = account.identities, account.region
        self._engine = self._identities.engine
        self._implied = Implied(account, self._engine.sources)
        self._accesses = Accesses(account.account_id, account.region, self._implied.resolve)

    def admit(self, environ: Environ) -> tuple[Principal, Credentials]:
        """Return who signed a request, and with what.

        Raises
        ------
        ServiceError
            If nobody did whom the account knows, or not in time.
        """
        scope = scope_of(environ)
        if scope is None:
            message = "The request is not signed (by signature version 4, as SDKs do)."
            raise ServiceError("MissingAuthenticationToken", message, 403)
        found = self._known(scope.access_key_id, _token(environ))
        require_genuine(environ, scope, found[1])
        if self._identities.is_over(scope.access_key_id):
            code = "ExpiredToken" if scope.service in _QUERY else "ExpiredTokenException"
            raise ServiceError(code, _EXPIRED, 403 if code == "ExpiredToken" else 400)
        return found

    def admit_git(self, environ: Environ, path: str) -> Principal | None:
        """Return who signed in to the repository at a path, or None where git must do it yet.

        Raises
        ------
        ServiceError
            If nobody did whom the account knows, or not in time.
        """
        given = git_signature_of(environ)
        if given is None:
            return None
        principal, credentials = self._known(given.access_key_id, given.session_token)
        require_genuine_git(environ, given, credentials, self._region, path)
        if self._identities.is_over(given.access_key_id):
            raise ServiceError("ExpiredTokenException", _EXPIRED, 403)
        return principal

    def require(self, principal: Principal, access: Access) -> None:
        """Refuse what a principal may not do, where no request of an API says it.

        Raises
        ------
        ServiceError
            If policies do not allow it.
        """
        decision = self._engine.judge(principal, access)
        if not decision.allowed:
            raise ServiceError("AccessDeniedException", refusal(principal, access, decision), 403)

    def authorize(self, principal: Principal, environ: Environ) -> Call:
        """Return what a request asks for, if its principal may do all that it needs.

        Raises
        ------
        ServiceError
            In the words and under the code of the service that was asked.
        """
        call = call_of(environ)
        if words := parity.refused_operation(call.service, call.operation):
            raise ServiceError("UnsupportedOperation", words, 501)
        self._prepare(call)
        accesses = self._accesses.of(call)
        if accesses is None and principal.kind != "account":
            named = f"{call.service}:{call.operation}"
            message = f"The embedded account does not know what permissions {named} needs."
            raise ServiceError("UnsupportedOperation", message, 501)
        keys = self._implied.leading_keys(call)
        for access in [*(accesses or ()), *self._implied.of(call)]:
            full = Access(access.action, access.resource, {**access.context, **keys})
            decision = self._engine.judge(principal, full)
            if not decision.allowed:
                raise _denied(call.service, refusal(principal, full, decision))
        return call

    def _known(self, access_key_id: str, token: str) -> tuple[Principal, Credentials]:
        found = self._identities.identify(access_key_id)
        if found is None or found[1].session_token != token:
            raise ServiceError(
                "InvalidClientTokenId",
                "The security token included in the request is invalid. Run "
                '`eval "$(.venv/bin/mlops account env)"` for the credentials of this account.',
                403,
            )
        return found

    def _prepare(self, call: Call) -> None:
        """Load the policies of AWS that a request names, and read those that it brings."""
        params: Mapping[str, Any] = call.params
        for name in ("PolicyArn", "PermissionsBoundary"):
            if isinstance(arn := params.get(name), str) and call.service == "iam":
                self._engine.sources.load_managed(arn)
        for name in _DOCUMENTS:
            if isinstance(document := params.get(name), str | bytes):
                try:
                    statements(document if isinstance(document, str) else document.decode())
                except PolicyError as error:
                    raise ServiceError("MalformedPolicyDocument", f"{name}: {error}.") from error


def _token(environ: Environ) -> str:
    header = str(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
    query = environ.get("QUERY_STRING", "")
    if header or "oken=" not in query:
        return header
    values = parse_qs(query)
    found = values.get("X-Amz-Security-Token") or values.get("x-amz-security-token") or [""]
    return str(found[0])


def _denied(service: str, message: str) -> ServiceError:
    if service == "sns":
        return ServiceError("AuthorizationError", message, 403)
    if service in _QUERY:
        return ServiceError("AccessDenied", message, 403)
    return ServiceError("AccessDeniedException", message, 403 if service in _REST else 400)
