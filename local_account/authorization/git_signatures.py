"""Whether git signed in as `aws codecommit credential-helper` lets it: once, for one repository.

The user name is an access key and, after a %, its session's token; the password is a date and a
signature of version 4 over the method GIT, the path and the host without its port.
"""

import base64
import binascii
import hmac
import re
import time
from calendar import timegm
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Secrets

from local_account.authorization.principals import Credentials
from local_account.operations import Environ
from local_account.service import ServiceError

_LIFETIME_SECONDS = 900
_DATE = "%Y%m%dT%H%M%S"
_PASSWORD = re.compile(r"(\d{8}T\d{6})Z([0-9a-f]{64})")


class GitSignature(NamedTuple):
    """What git signs in with."""

    access_key_id: str
    session_token: str
    date: str
    signature: str


def git_signature_of(environ: Environ) -> GitSignature | None:
    """Return what git signs in with, or None where it does not, or in another way."""
    kind, _, encoded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    signed = _PASSWORD.fullmatch(password)
    if signed is None:
        return None
    key_id, _, token = user.partition("%")
    return GitSignature(key_id, token, *signed.groups())


def require_genuine_git(
    environ: Environ, given: GitSignature, credentials: Credentials, region: str, path: str
) -> None:
    """Refuse a signature that is wrong, of another repository, or older than 15 minutes.

    Raises
    ------
    ServiceError
        Under the code that other services have for it.
    """
    secrets = Secrets(credentials.access_key_id, credentials.secret_access_key)
    signer: Any = SigV4Auth(secrets, "codecommit", region)
    request: Any = AWSRequest("GIT", path)
    request.context["timestamp"] = given.date
    host = environ["HTTP_HOST"].partition(":")[0]
    canonical = f"GIT\n{path}\n\nhost:{host}\n\nhost\n"
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    if not hmac.compare_digest(expected, given.signature):
        message = (
            f"The password is not what `aws codecommit credential-helper` makes for {path} in "
            f"{region} with the secret of {given.access_key_id}; sign in anew, with "
            "credential.useHttpPath set to true."
        )
        raise ServiceError("SignatureDoesNotMatch", message, 403)
    if abs(time.time() - _seconds(given.date)) > _LIFETIME_SECONDS:
        message = f"The password of {given.date}Z has expired: it lasts for 15 minutes."
        raise ServiceError("SignatureDoesNotMatch", message, 403)


def _seconds(date: str) -> int:
    try:
        return timegm(time.strptime(date, _DATE))
    except ValueError:
        return 0
