"""Which operation of which AWS service a request asks for, whatever the service's protocol."""

import gzip
import io
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
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

# signature version 4, in a header or in a presigned URL
_SCOPE = re.compile(r"Credential=[^/&]+/\d{8}/[^/&]+/([a-z0-9-]+)/aws4_request")
# the models whose requests are signed with a name, where that is not the model's own
SIGNED = {
    "monitoring": ("cloudwatch",),
    "sagemaker": ("sagemaker-runtime", "sagemaker"),
    "servicequotas": ("service-quotas",),
    "states": ("stepfunctions",),
}


class Call(NamedTuple):
    """A request: the service it is signed for, the operation's name, its parameters."""

    service: str
    operation: str
    params: dict[str, Any]


def service_of(environ: Environ) -> str:
    """Return the name under which a request is signed, such as `states`."""
    credential = environ.get("HTTP_AUTHORIZATION", "") or environ.get("QUERY_STRING", "")
    if match := _SCOPE.search(credential.replace("%2F", "/")):
        return match[1]
    return "s3" if "AWSAccessKeyId=" in credential else ""  # signature version 2


def operation_of(service: str, environ: Environ) -> str:
    """Return the operation's name as AWS has it, such as `StartExecution`; of none, nothing."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    return _asked(service, environ).operation


def call_of(environ: Environ) -> Call:
    """Return what a request asks for; its body can be read again afterwards.

    Raises
    ------
    ServiceError
        If its body is not of the service's protocol.
    """
    service = service_of(environ)
    try:
        if target := environ.get("HTTP_X_AMZ_TARGET"):
            params = json.loads(body_of(environ) or b"{}")
            if not isinstance(params, dict):
                raise ValueError("it is no JSON object")
            return Call(service, str(target).rpartition(".")[2], params)
        asked = _asked(service, environ)
        return Call(service, asked.operation, _parameters(asked, environ))
    except (ValueError, RequestParserError) as error:
        message = f"The request's body is not of the protocol of {service}: {error}."
        raise ServiceError("SerializationException", message) from error


def body_of(environ: Environ) -> bytes:
    """Return the body of a request, which stays there for the next who reads it."""
    body = raw_body_of(environ)
    return gzip.decompress(body) if environ.get("HTTP_CONTENT_ENCODING") == "gzip" else body


def raw_body_of(environ: Environ) -> bytes:
    """Return the body of a request as it was sent, which stays there too."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if body:
        environ["wsgi.input"] = io.BytesIO(body)
    return body


class _Asked(NamedTuple):
    """The operation of a request that has no `X-Amz-Target`, and where its parameters are."""

    operation: str
    model: str = ""
    protocol: str = ""
    path: Mapping[str, str] = MappingProxyType({})
    values: Any = None


def _asked(service: str, environ: Environ) -> _Asked:
    models = SIGNED.get(service, (service,))
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        text = body_of(environ).decode(errors="replace")
        values = dict(parse_qsl(text, keep_blank_values=True))
        return _Asked(values.get("Action", ""), models[0], "query", values=values)
    request = Request(environ)
    for model in models:
        try:
            operation, path = get_service_router(model).match(request)
        except (NotFound, UnknownServiceError):
            continue
        protocol = operation.service_model.protocol
        return _Asked(operation.name, model, str(protocol), path, request.args)
    return _Asked("")


def _parameters(asked: _Asked, environ: Environ) -> dict[str, Any]:
    model = get_service_model(asked.model) if asked.operation else None
    if model is None or asked.operation not in model.operation_names:
        return {}
    operation = model.operation_model(asked.operation)
    parser = PROTOCOL_PARSERS[asked.protocol](operation, timestamp_parser=str, blob_parser=str)
    parsed: dict[str, Any] = parser.parse(
        {
            "method": environ["REQUEST_METHOD"],
            "values": asked.values,
            "headers": Request(environ).headers,
            "body": b"" if _has_content(operation) else body_of(environ),
            "url_path": environ["PATH_INFO"],
            "url_params": asked.path,
        }
    )
    return parsed


@lru_cache(maxsize=1024)
def _has_content(operation: Any) -> bool:
    """Tell whether the body of a request is content, such as an object's, and no parameter."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    return payload is not None and shape.members[payload].type_name in ("blob", "string")
