"""Which operation of which AWS service a request asks for, whatever the service's protocol."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from botocore.session import get_session

Environ = dict[str, Any]

# signature version 4, in a header or in a presigned URL
_SCOPE = re.compile(r"Credential=[^/&]+/\d{8}/[^/&]+/([a-z0-9-]+)/aws4_request")
_PLACEHOLDER = re.compile(r"\\\{\w+(\\\+)?\\\}")
_INVOKED_ENDPOINT = re.compile(r"/endpoints/[^/]+/invocations")


class _Route(NamedTuple):
    """How a REST operation is recognised; the one that needs most is the one that is meant."""

    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    headers: frozenset[str]
    operation: str


def service_of(environ: Environ) -> str:
    """Return the name under which a request is signed, such as `states`."""
    credential = environ.get("HTTP_AUTHORIZATION", "") or environ.get("QUERY_STRING", "")
    if match := _SCOPE.search(credential.replace("%2F", "/")):
        return match[1]
    return "s3" if "AWSAccessKeyId=" in credential else ""  # signature version 2


def operation_of(service: str, environ: Environ, body: bytes) -> str:
    """Return the operation's name as AWS has it, such as `StartExecution`."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    path = environ["PATH_INFO"]
    if "/operation/" in path:  # the CBOR protocol
        return str(path).rpartition("/")[2]
    if _INVOKED_ENDPOINT.fullmatch(path):
        return "InvokeEndpoint"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    return _rest_operation(service, environ)


def _rest_operation(service: str, environ: Environ) -> str:
    query = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    given = {name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    candidates = [
        route
        for route in _routes(service)
        if route.method == environ["REQUEST_METHOD"]
        and route.path.fullmatch(environ["PATH_INFO"])
        and route.query <= query
        and route.headers <= given
    ]
    if not candidates:
        return ""
    return max(candidates, key=lambda route: len(route.query) + len(route.headers)).operation


@lru_cache
def _routes(service: str) -> tuple[_Route, ...]:
    try:
        model = get_session().get_service_model(service)
    except UnknownServiceError:
        return ()
    return tuple(_described(model))


def _described(model: Any) -> Iterator[_Route]:
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        needed: dict[str, set[str]] = {"querystring": set(), "header": set()}
        shape = operation.input_shape
        for member in shape.required_members if shape else ():
            place = shape.members[member].serialization
            if place.get("location") in needed:
                needed[place["location"]].add(place["name"])
        pattern = _PLACEHOLDER.sub(lambda found: ".+" if found[1] else "[^/]+", re.escape(path))
        yield _Route(
            operation.http["method"],
            re.compile(pattern.rstrip("/") + "/?"),
            frozenset(needed["querystring"] | set(parse_qs(query, keep_blank_values=True))),
            frozenset(header.upper().replace("-", "_") for header in needed["header"]),
            name,
        )
