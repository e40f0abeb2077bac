"""Which operation of which AWS service a request asks for, whatever the service's protocol."""

import gzip
import io
import json
import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from botocore.exceptions import UnknownServiceError
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from local_account.service import ServiceError

Environ = dict[str, Any]

FORM = "application/x-www-form-urlencoded"
_FORMS = (FORM, "multipart/form-data")
_CREDENTIAL = r"(\w+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request"
# in this order only, as all clients write it: moto takes the parts by their place
_HEADER = re.compile(
    rf"AWS4-HMAC-SHA256 Credential={_CREDENTIAL}, ?SignedHeaders=([^\s,=]+), ?Signature=(\w+)"
)
# a bucket, then its key; what is encoded in a bucket's name, or before it, moto would decode
_PATH_OF_S3 = re.compile(r"/(?:[\w.-]+(?:/.*)?)?", re.ASCII)
_ANYWHERE = {"x-id", "AWSAccessKeyId", "Signature", "Expires"}  # in a query, besides X-Amz-...
# the models whose requests are signed with a name, where that is not the model's own
SIGNED = {
    "monitoring": ("cloudwatch",),
    "sagemaker": ("sagemaker-runtime", "sagemaker"),
    "servicequotas": ("service-quotas",),
    "states": ("stepfunctions",),
}


class Scope(NamedTuple):
    """What a request is signed for; version 2 of signatures has no date and no region."""

    access_key_id: str
    date: str
    region: str
    service: str
    headers: str = ""
    signature: str = ""


class Call(NamedTuple):
    """A request: the service it is signed for, the operation's name, its parameters."""

    service: str
    operation: str
    params: dict[str, Any]
    model: Any = None
    protocol: str = ""


def scope_of(environ: Environ) -> Scope | None:
    """Return what a request is signed for, in a header or, to S3 only, in a presigned URL."""
    if header := environ.get("HTTP_AUTHORIZATION"):
        match = _HEADER.fullmatch(header)
        return Scope(*match.groups()) if match else None
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    if key := query.get("AWSAccessKeyId"):
        return Scope(key, "", "us-east-1", "s3", signature=query.get("Signature", ""))
    match = re.fullmatch(_CREDENTIAL, query.get("X-Amz-Credential", ""))
    if match is None or match[4] != "s3":
        return None
    given = (query.get(f"X-Amz-{name}", "") for name in ("SignedHeaders", "Signature"))
    return Scope(*match.groups(), *given)


def service_of(environ: Environ) -> str:
    """Return the name under which a request is signed, such as `states`."""
    scope = scope_of(environ)
    return scope.service if scope else ""


def operation_of(service: str, environ: Environ) -> str:
    """Return the operation's name as AWS has it, such as `StartExecution`; of none, nothing.

    Raises
    ------
    ServiceError
        If the request could be read in several ways.
    """
    asked = _asked(service, environ)
    return asked.operation if asked else ""


def call_of(environ: Environ) -> Call:
    """Return what a request asks for; its body can be read again afterwards.

    Raises
    ------
    ServiceError
        If it is not of the service's protocol, or could be read in several ways.
    """
    service = service_of(environ)
    asked = _asked(service, environ)
    if asked is None:
        return Call(service, "", {})
    if asked.operation not in asked.service.operation_names:
        return Call(service, asked.operation, {})
    model = asked.service.operation_model(asked.operation)
    try:
        params = _parameters(asked, model, environ)
    except (ValueError, RequestParserError) as error:
        raise _unreadable(service, str(error)) from error
    return Call(service, asked.operation, params, model, asked.protocol)


def body_of(environ: Environ) -> bytes:
    """Return the body of a request, which stays there for the next who reads it.

    Raises
    ------
    ServiceError
        If it is not encoded as its header says.
    """
    body = raw_body_of(environ)
    if environ.get("HTTP_CONTENT_ENCODING") != "gzip":
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(service_of(environ), f"its body is not gzip: {error}") from error


def raw_body_of(environ: Environ) -> bytes:
    """Return the body of a request as it was sent, which stays there too."""
    stream = environ["wsgi.input"]
    chunked = environ.pop("wsgi.input_terminated", False)
    body: bytes = stream.read() if chunked else stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    if chunked:
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


@lru_cache(maxsize=1024)
def has_content(operation: Any) -> bool:
    """Tell whether the body of a request is content, such as an object's, and no parameter."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    return payload is not None and shape.members[payload].type_name in ("blob", "string")


class _Asked(NamedTuple):
    """The operation of a request, by which protocol it is asked, and where its parameters are."""

    operation: str
    service: Any
    protocol: str
    path: Mapping[str, str]
    values: Any


def _asked(service: str, environ: Environ) -> _Asked | None:
    """Find the operation where the service's protocol has it, and refuse a second one."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    for name in SIGNED.get(service, (service,)):
        try:
            model: Any = get_service_model(name)
        except UnknownServiceError:
            continue
        protocols = [str(each) for each in model.metadata.get("protocols") or [model.protocol]]
        if protocols[0].startswith("rest-") and not target:
            if asked := _asked_by_path(service, name, environ):
                return asked
        elif "json" in protocols and target:
            prefix, _, operation = target.rpartition(".")
            if prefix == model.metadata["targetPrefix"]:
                _require_post(service, environ)
                return _Asked(operation, model, "json", {}, None)
        elif "query" in protocols and _is(environ, FORM) and not target:
            _require_post(service, environ)
            values = _once_each(service, body_of(environ).decode(errors="replace"))
            return _Asked(values.get("Action", ""), model, "query", {}, values)
    if target:
        raise _unreadable(service, f"no operation has the X-Amz-Target {target!r}")
    return None


def _asked_by_path(service: str, name: str, environ: Environ) -> _Asked | None:
    request = Request(environ)
    try:
        operation, path = get_service_router(name).match(request)
    except (NotFound, NotImplementedError):
        return None
    if service == "s3":
        _require_one_reading(operation, request, environ)
    elif "//" in request.raw_path:
        return None
    protocol = str(operation.service_model.protocol)
    return _Asked(operation.name, operation.service_model, protocol, path, request.args)


def _require_post(service: str, environ: Environ) -> None:
    if environ["REQUEST_METHOD"] != "POST" or environ.get("QUERY_STRING"):
        raise _unreadable(service, "it is no POST without a query string")


def _require_one_reading(operation: Any, request: Request, environ: Environ) -> None:
    """Refuse a request to S3 that moto would take for another one, or one about another object."""
    shape, query = operation.input_shape, request.args
    if not _PATH_OF_S3.fullmatch(request.raw_path):
        raise _unreadable("s3", f"its path {request.raw_path!r} does not begin with a bucket")
    if any(_is(environ, form) for form in _FORMS):
        raise _unreadable("s3", "forms are not modelled; send another Content-Type")
    members = shape.members.values() if shape else ()
    located = [each.serialization for each in members]
    known = {each["name"] for each in located if each.get("location") == "querystring"}
    known |= set(operation.http_trait.query_args) | _ANYWHERE
    for name in query:
        if name not in known and not name.lower().startswith("x-amz-"):
            raise _unreadable("s3", f"{operation.name} has no {name!r} in its query")
        if len(query.getlist(name)) > 1:
            raise _unreadable("s3", f"{name!r} is in its query twice")
    if empty := [name for name in (shape.required_query_args if shape else ()) if not query[name]]:
        raise _unreadable("s3", f"{empty[0]!r} is empty")


def _once_each(service: str, form: str) -> dict[str, str]:
    pairs = parse_qsl(form, keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _unreadable(service, "its form has a key twice")
    return values


def _parameters(asked: _Asked, model: Any, environ: Environ) -> dict[str, Any]:
    if asked.protocol == "json":
        found = json.loads(body_of(environ) or b"{}")
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        return found
    parser = PROTOCOL_PARSERS[asked.protocol](model, timestamp_parser=str)
    parsed: dict[str, Any] = parser.parse(
        {
            "method": environ["REQUEST_METHOD"],
            "values": asked.values,
            "headers": Request(environ).headers,
            "body": b"" if has_content(model) else body_of(environ),
            "url_path": environ["PATH_INFO"],
            "url_params": asked.path,
        }
    )
    return parsed


def _is(environ: Environ, content_type: str) -> bool:
    return str(environ.get("CONTENT_TYPE", "")).lower().startswith(content_type)


def _unreadable(service: str, why: str) -> ServiceError:
    message = f"The request is not of the protocol of {service}: {why}."
    return ServiceError("SerializationException", message)
