"""What botocore's exceptions mean to the person at the terminal, and what to do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore import exceptions as aws

if TYPE_CHECKING:
    from collections.abc import Callable

_ENVIRONMENT_HINT = (
    'for the embedded account run `eval "$(.venv/bin/mlops account env)"`, '
    "for AWS set AWS_PROFILE or run `.venv/bin/aws configure`"
)
SIGN_IN = "`aws sso login` of the AWS CLI's version 2"
"""The version 1 that comes with the project has no such command."""
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN_KEY = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
    "IncompleteSignature",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")
_THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown")


def explain_aws_error(error: BaseException) -> str:
    """Say what a boto3 or botocore exception means, in words one can act on."""
    if isinstance(error, aws.ClientError):
        return _explain_client_error(error)
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words(error)
    return f"{type(error).__name__}: {error}"


def error_code(error: aws.ClientError) -> str:
    """Return the service's error code (``AccessDenied``, ``ValidationError`` …)."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def _explain_client_error(error: aws.ClientError) -> str:
    code, action = error_code(error), error.operation_name
    message = str(error.response.get("Error", {}).get("Message", "no message"))
    if code in _EXPIRED:
        return f"{action}: the credentials have expired ({code}). Renew them: {SIGN_IN}."
    if code in _UNKNOWN_KEY:
        return (
            f"{action}: the account does not know this access key ({code}). "
            f"An embedded account that was restarted has a new key: {_ENVIRONMENT_HINT}."
        )
    if code in _DENIED:
        return f"{action} is denied: {message}. Use a principal that may call {action}."
    if code in _THROTTLED:
        return f"{action} is throttled after the SDK's own retries ({code}). Try again later."
    return f"{action} failed with {code}: {message}"


def _no_region(_: BaseException) -> str:
    return "no AWS region is set. Set AWS_DEFAULT_REGION, or `region` in the AWS profile."


def _no_credentials(_: BaseException) -> str:
    return f"no AWS credentials found in the environment or the profile: {_ENVIRONMENT_HINT}."


def _unreachable(error: BaseException) -> str:
    endpoint = str(getattr(error, "kwargs", {}).get("endpoint_url", "the endpoint")).rstrip("/")
    return (
        f"nothing answers at {endpoint}. If it is the embedded account, see "
        f"`.venv/bin/mlops account status`; otherwise check AWS_ENDPOINT_URL and the network."
    )


def _sign_in_again(error: BaseException) -> str:
    return f"the SSO session of the AWS profile cannot be used ({error}). Run {SIGN_IN}."


def _plain(error: BaseException) -> str:
    return f"{error}. Check the AWS environment variables and ~/.aws/config."


_WORDS: dict[type[BaseException], Callable[[BaseException], str]] = {
    aws.NoRegionError: _no_region,
    aws.NoCredentialsError: _no_credentials,
    aws.PartialCredentialsError: _plain,
    aws.ProfileNotFound: _plain,
    aws.EndpointConnectionError: _unreachable,
    aws.ConnectTimeoutError: _unreachable,
    aws.ReadTimeoutError: _unreachable,
    aws.ConnectionClosedError: _unreachable,
    aws.InvalidRegionError: _plain,
    aws.SSOError: _sign_in_again,
    aws.TokenRetrievalError: _sign_in_again,
    aws.CredentialRetrievalError: _plain,
}
