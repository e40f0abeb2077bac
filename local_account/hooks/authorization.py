"""IAM: which access keys the account knows, and what the policies of its users allow."""

from typing import Any

from local_account.hooks.replace import replace
from local_account.service import Account

_TLS_VERSION = 1.3


def is_known_access_key(account: Account, access_key_id: str) -> bool:
    """Tell whether an access key is the account's own, a user's or a role session's."""
    from moto.sts.models import sts_backends

    if access_key_id == account.access_key_id or _user_key(account, access_key_id):
        return True
    sts = sts_backends[account.account_id]["aws"]
    return sts.get_assumed_role_from_access_key(access_key_id) is not None


def _user_key(account: Account, access_key_id: str) -> bool:
    from moto.iam.models import iam_backends

    users = iam_backends[account.account_id]["aws"].users.values()
    return any(key.access_key_id == access_key_id for user in users for key in user.access_keys)


def authorize_user(account: Account, access_key_id: str, action: str) -> None:
    """Refuse an action of the account's own services that a user's policies do not allow."""
    from moto.iam.access_control import IAMPolicy, IAMUserAccessKey, PermissionResult

    if not _user_key(account, access_key_id):
        return
    key = IAMUserAccessKey(account.account_id, "aws", access_key_id, {})
    results = [IAMPolicy(policy).is_action_permitted(action) for policy in key.collect_policies()]
    if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
        raise PermissionError(
            f"User: {key.arn} is not authorized to perform: {action} because no "
            "identity-based policy allows the action"
        )


def _holds_over_tls(condition: dict[str, dict[str, Any]]) -> bool:
    """Tell whether a condition holds for a request over TLS, which a loopback one stands for."""
    secure = condition.get("Bool", {}).get("aws:SecureTransport", "true")
    version_below = condition.get("NumericLessThan", {}).get("s3:TlsVersion", _TLS_VERSION + 1)
    return str(secure).lower() == "true" and float(version_below) > _TLS_VERSION


def install(account: Account) -> None:
    """Enforce the policies of IAM users; role sessions and the account's own key may do all."""

    from moto.core.exceptions import AccessDeniedError, JsonRESTError

    def only_users(original: Any) -> Any:
        def check(self: Any, iam_request_class: type, resource: str = "*") -> None:
            authorization = self.headers.get("Authorization", "")
            key_id = authorization.partition("Credential=")[2].partition("/")[0]
            if not _user_key(account, key_id):
                return
            request = iam_request_class(
                account_id=self.current_account,
                method=self.method,
                path=self.raw_path,
                data=self.data,
                body=self.raw_body,
                headers=self.headers,
                action=self._get_action(),
            )
            try:
                request.check_action_permitted(resource)
            except AccessDeniedError as error:
                if "X-Amz-Target" not in self.headers:
                    raise
                raise JsonRESTError("AccessDeniedException", error.message) from error

        return check

    replace(
        "moto.core.authorization:ActionAuthenticatorMixin._authenticate_and_authorize_action",
        only_users,
    )

    def as_if_over_tls(original: Any) -> Any:
        # moto takes a Deny whose Condition does not hold for one that does
        def permitted(self: Any, *args: Any, **kwargs: Any) -> Any:
            from moto.iam.access_control import PermissionResult

            denies_transport = self._statement["Effect"] == "Deny" and not _holds_over_tls(
                self._statement.get("Condition", {})
            )
            return PermissionResult.NEUTRAL if denies_transport else original(self, *args, **kwargs)

        return permitted

    replace("moto.iam.access_control:IAMPolicyStatement.is_action_permitted", as_if_over_tls)
