"""Whether a request was signed with the secret of the access key that it names.

The canonical request is botocore's. The digest of the content is taken from the header that S3's
clients tell it in, as it is what they sign.
"""

import hmac
import time
from calendar import timegm
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SIGV4_TIMESTAMP, HmacV1Auth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as Secrets

from local_account.authorization.principals import Credentials
from local_account.operations import Environ, raw_body_of

_OF_VERSION_4 = ("Credential", "SignedHeaders", "Signature")


class _Service(SigV4Auth):
    """Signature version 4 over the headers that the client named."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


class _S3(_Service, S3SigV4Auth):
    """The same for S3, whose paths are signed as they come."""


class _Presigned(_S3):
    """The same for a URL of S3, whose content is not signed."""

    def payload(self, request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"


class _Version2(HmacV1Auth):
    """Signature version 2 of a URL, which has its expiry where requests have their date."""

    def __init__(self, secrets: Secrets, expires: str) -> None:
        super().__init__(secrets)
        self._expires = expires

    def _get_date(self) -> str:
        return self._expires


def is_genuine(environ: Environ, credentials: Credentials) -> bool:
    """Tell whether a request's signature is right, and has not expired if it is a URL's."""
    secrets = Secrets(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token or None
    )
    if header := environ.get("HTTP_AUTHORIZATION"):
        fields = (each.strip().partition("=") for each in header.partition(" ")[2].split(","))
        given = {name: value for name, _, value in fields}
        date = _header(environ, "x-amz-date")
        return _is_signed(environ, secrets, given, date, environ["REQUEST_URI"], presigned=False)
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    if "Signature" in query:
        return _is_signed_by_version_2(environ, secrets, query)
    given = {name.removeprefix("X-Amz-"): value for name, value in query.items()}
    date, lifetime = given.get("Date", ""), given.get("Expires", "")
    if not lifetime.isdecimal() or time.time() > _seconds(date) + int(lifetime):
        return False
    path, _, parameters = environ["REQUEST_URI"].partition("?")
    kept = [each for each in parameters.split("&") if not each.startswith("X-Amz-Signature=")]
    uri = f"{path}?{'&'.join(kept)}"
    return _is_signed(environ, secrets, given, date, uri, presigned=True)


def _is_signed(
    environ: Environ,
    secrets: Secrets,
    given: dict[str, str],
    date: str,
    uri: str,
    *,
    presigned: bool,
) -> bool:
    scope = given.get("Credential", "").split("/")
    if len(scope) != 5 or not date or any(name not in given for name in _OF_VERSION_4):
        return False
    names = given["SignedHeaders"].split(";")
    headers = {name: _header(environ, name) for name in names}
    url = f"http://{environ['HTTP_HOST']}{uri}"
    body = None if "x-amz-content-sha256" in headers or presigned else raw_body_of(environ)
    request: Any = AWSRequest(environ["REQUEST_METHOD"], url, headers, body)
    request.context["timestamp"] = date
    kind = (_Presigned if presigned else _S3) if scope[3] == "s3" else _Service
    auth: Any = kind(secrets, scope[3], scope[2])
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return hmac.compare_digest(auth.signature(text, request), given["Signature"])


def _is_signed_by_version_2(environ: Environ, secrets: Secrets, query: dict[str, str]) -> bool:
    expires = query.get("Expires", "")
    if not expires.isdecimal() or time.time() > int(expires):
        return False
    names = [name for name in environ if name.startswith("HTTP_X_AMZ_")]
    headers = HTTPHeaders()
    for name in ("content-md5", "content-type", *(name[5:].replace("_", "-") for name in names)):
        if value := _header(environ, name.lower()):
            headers[name.lower()] = value
    auth: Any = _Version2(secrets, expires)
    split = urlsplit(environ["REQUEST_URI"])
    expected = auth.get_signature(environ["REQUEST_METHOD"], split, headers)
    return hmac.compare_digest(expected, query["Signature"])


def _seconds(date: str) -> int:
    try:
        return timegm(time.strptime(date, SIGV4_TIMESTAMP))
    except ValueError:
        return 0


def _header(environ: Environ, name: str) -> str:
    key = name.upper().replace("-", "_")
    prefix = "" if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
    return str(environ.get(prefix + key, ""))
