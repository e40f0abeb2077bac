"""Requests that no SDK would write, signed as an SDK signs."""

import http.client
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.conftest import RunningAccount


@dataclass(frozen=True)
class Asked:
    """A request as it goes over the wire, but for its signature."""

    service: str
    method: str
    uri: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def signer(service: str, key: Credentials) -> Any:
    return (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, "us-east-1")


def signed(account: RunningAccount, key: Credentials, asked: Asked) -> dict[str, str]:
    """Return the headers of a request, signed."""
    host = account.url.removeprefix("http://")
    request: Any = AWSRequest(
        asked.method, account.url + asked.uri, {**asked.headers, "Host": host}, asked.body
    )
    signer(asked.service, key).add_auth(request)
    return dict(request.headers.items())


def send(
    account: RunningAccount,
    method: str,
    uri: str,
    headers: dict[str, str],
    body: bytes | Iterable[bytes] = b"",
) -> tuple[int, str]:
    """Send a request as it is, a body in pieces by chunks; return the answer's status and text."""
    connection = http.client.HTTPConnection(account.url.removeprefix("http://"))
    connection.putrequest(method, uri, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    chunked = not isinstance(body, bytes)
    if isinstance(body, bytes):
        connection.putheader("Content-Length", str(len(body)))
    else:
        connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(body, encode_chunked=chunked)
    response = connection.getresponse()
    answer = response.status, response.read().decode(errors="replace")
    connection.close()
    return answer
