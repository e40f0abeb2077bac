"""A judged request, written anew: moto reads of it what was judged, and nothing else.

moto looks for a parameter in the query, the body and the headers of a request, whatever its
protocol, and finds the service and the operation by rules of its own.
"""

import io
import json
from typing import Any
from urllib.parse import unquote, urlencode

from botocore.serialize import create_serializer

from local_account.operations import FORM, Call, Environ, body_of, has_content, scope_of

JUDGED = "local_account.call"
_KEPT = ("HTTP_HOST", "HTTP_X_AMZ_")
_TYPES = {"json": "application/x-amz-json-1.1", "rest-json": "application/json", "query": FORM}


def rewritten(environ: Environ, call: Call) -> Environ:
    """Return a request for moto, which has nothing that the guard did not see."""
    scope = scope_of(environ)
    if scope is None:
        raise ValueError("a request that nobody signed was admitted")
    within = f"{scope.access_key_id}/{scope.date}/{scope.region}/{scope.service}/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={within}, SignedHeaders=host, Signature=0"
    if call.service == "s3":
        kept = {key: value for key, value in environ.items() if not key.startswith("HTTP_X_MOTO_")}
        if call.operation == "DeleteObjects":
            kept |= _with_body(_serialized(call)["body"])
            kept["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"
    else:
        kept = {k: v for k, v in environ.items() if k.startswith(_KEPT) or "HTTP_" not in k}
        kept |= _written(environ, call)
    return {**kept, "HTTP_AUTHORIZATION": signed, JUDGED: call}


def _written(environ: Environ, call: Call) -> Environ:
    body: Any
    if call.protocol == "json":
        path, query, body = "/", "", json.dumps(call.params).encode()
    else:
        written = _serialized(call)
        path, query = written["url_path"], urlencode(written["query_string"], doseq=True)
        body = written["body"]
    if has_content(call.model):
        # with a query, moto does not take the content for one
        query, body = query or f"x-id={call.operation}", body_of(environ)
    elif call.protocol == "query":
        body = urlencode(body).encode()
    else:
        body = body.replace(b"&", b"\\u0026")  # or moto takes it for a form
    return {
        **_with_body(body),
        "CONTENT_TYPE": _TYPES[call.protocol],
        "PATH_INFO": unquote(path).encode().decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}" if query else path,
        "REQUEST_URI": f"{path}?{query}" if query else path,
    }


def _serialized(call: Call) -> dict[str, Any]:
    serializer = create_serializer(call.protocol, include_validation=False)
    written: dict[str, Any] = serializer.serialize_to_request(call.params, call.model)
    return written


def _with_body(body: bytes) -> Environ:
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
