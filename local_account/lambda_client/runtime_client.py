"""The Lambda Runtime API client that `awslambdaric` loads, in plain Python.

The package's own client is a native library that exists for Linux only; this module
has the same four functions, so that functions run on every system in the same way.
Source: AWS Lambda runtime API, version 2018-06-01.
"""

import http.client
import os
from email.message import Message

_connection: http.client.HTTPConnection | None = None
_secret = ""


def initialize_client(user_agent: str) -> None:
    """Open the connection on which every invocation of this worker arrives."""
    global _connection, _secret
    _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    _secret = os.environ.pop("LOCAL_ACCOUNT_RUNTIME_SECRET")  # not for what the function starts


def _call(method: str, path: str, body: bytes | str | None = None) -> tuple[bytes, Message]:
    if _connection is None:
        raise RuntimeError("initialize_client was not called")
    try:
        _connection.request(method, f"/{_secret}/2018-06-01/runtime/invocation/{path}", body)
        response = _connection.getresponse()
        return response.read(), response.headers
    except (ConnectionError, http.client.HTTPException):
        os._exit(0)  # the account is gone: no worker outlives it


def next() -> tuple[bytes, dict[str, str | int]]:
    """Wait for an invocation: its payload, and the headers that describe it."""
    body, headers = _call("GET", "next")
    deadline = "Lambda-Runtime-Deadline-Ms"
    return body, {**dict(headers.items()), deadline: int(headers[deadline])}


def post_invocation_result(invoke_id: str, result: bytes, *_: str | None) -> None:
    """Answer an invocation."""
    _call("POST", f"{invoke_id}/response", result)


def post_error(invoke_id: str, error: str, *_: str | None) -> None:
    """Answer an invocation with a function error."""
    _call("POST", f"{invoke_id}/error", error)
