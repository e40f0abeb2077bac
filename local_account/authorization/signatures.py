"""Whether a request was signed with the secret of the access key that it names.

The canonical request is botocore's. The digest of the content is taken from the header that S3's
clients tell it in, as it is what they sign; it is compared with the content before.
"""

import hashlib
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
from local_account.operations import Environ, Scope, raw_body_of
from local_account.service import ServiceError

_SKEW_SECONDS = 900


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


def require_genuine(environ: Environ, scope: Scope, credentials: Credentials) -> None:
    """Refuse a request whose signature is wrong, or has expired.

    Raises
    ------
    ServiceError
        Under the code that AWS has for it.
    """
    secrets = Secrets(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token or None
    )
    if not scope.date:
        if not _is_signed_by_version_2(environ, secrets, dict(parse_qsl(environ["QUERY_STRING"]))):
            raise _wrong()
        return
    presigned = "HTTP_AUTHORIZATION" not in environ
    if presigned:
        date, uri = _presigned(environ)
    else:
        date, uri = _header(environ, "x-amz-date"), environ["REQUEST_URI"]
        _require_recent(scope.service, date)
        _require_content(environ, scope.service)
    if not _is_signed(environ, secrets, scope, date, uri, presigned=presigned):
        raise _wrong()


def _wrong() -> ServiceError:
    return ServiceError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
        403,
    )


def _presigned(environ: Environ) -> tuple[str, str]:
    """Return the date and the path of a URL that has not expired, without its signature."""
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    date, lifetime = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    if not lifetime.isdecimal() or time.time() > _seconds(date) + int(lifetime):
        raise _wrong()
    path, _, parameters = environ["REQUEST_URI"].partition("?")
    kept = [each for each in parameters.split("&") if not each.startswith("X-Amz-Signature=")]
    return date, f"{path}?{'&'.join(kept)}"


def _require_recent(service: str, date: str) -> None:
    if abs(time.time() - _seconds(date)) <= _SKEW_SECONDS:
        return
    if service == "s3":
        message = "The difference between the request time and the current time is too large."
        raise ServiceError("RequestTimeTooSkewed", message, 403)
    now = time.strftime(SIGV4_TIMESTAMP, time.gmtime())
    message = f"Signature expired: {date or 'no X-Amz-Date'} is not within 15 min. of {now}"
    raise ServiceError("SignatureDoesNotMatch", message, 403)


def _require_content(environ: Environ, service: str) -> None:
    """Refuse a body that is not the signed one; only S3's clients may leave it unsigned."""
    told = _header(environ, "x-amz-content-sha256")
    if service == "s3" and (told == "UNSIGNED-PAYLOAD" or told.startswith("STREAMING-")):
        return
    if told and told != hashlib.sha256(raw_body_of(environ)).hexdigest():
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise ServiceError("XAmzContentSHA256Mismatch", message)


def _is_signed(
    environ: Environ, secrets: Secrets, scope: Scope, date: str, uri: str, *, presigned: bool
) -> bool:
    names = scope.headers.split(";")
    needed = {"HTTP_HOST", *(key for key in environ if key.startswith("HTTP_X_AMZ_"))}
    if not date.startswith(scope.date) or needed - set(map(_key, names)):
        return False
    headers = {name: _header(environ, name) for name in names}
    url = f"http://{environ['HTTP_HOST']}{uri}"
    body = None if "x-amz-content-sha256" in headers or presigned else raw_body_of(environ)
    request: Any = AWSRequest(environ["REQUEST_METHOD"], url, headers, body)
    request.context["timestamp"] = date
    kind = (_Presigned if presigned else _S3) if scope.service == "s3" else _Service
    auth: Any = kind(secrets, scope.service, scope.region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return hmac.compare_digest(auth.signature(text, request), scope.signature)


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
    return str(environ.get(_key(name), ""))


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
