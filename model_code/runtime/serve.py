"""The `serve` command: `/ping` and `/invocations` as a bare ASGI application."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from model_code.runtime.artifact import Artifact, load_artifact
from model_code.runtime.errors import DataError, JobInputError
from model_code.runtime.paths import Paths
from model_code.runtime.tables import read_features

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DEFAULT_PORT = 8080
MAX_BODY_BYTES = 6 * 1024 * 1024
# A body that is too large is read to its end, so that the client gets to read the answer.
MAX_DRAINED_BYTES = 64 * 1024 * 1024
# SageMaker kills a serving container 30 s after SIGTERM.
GRACEFUL_SHUTDOWN_SECONDS = 20


class RefusedRequestError(Exception):
    """A request that is answered with an HTTP status and one line."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class ClientDisconnectedError(Exception):
    """Nobody is left to answer."""


def serve(paths: Paths) -> None:
    """Load the model, then answer until SIGTERM; requests under way are finished first.

    Raises
    ------
    ArtifactError
        If the model is missing or not the one that training described.
    """
    application = Application(load_artifact(paths.model))
    config = uvicorn.Config(
        application,
        # SageMaker connects to the container's address.
        host=os.environ.get("MODEL_CODE_BIND_HOST") or "0.0.0.0",  # noqa: S104
        port=_port(),
        http="h11",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
    uvicorn.Server(config).run()


class Application:
    """Raw CSV rows without label to one prediction per line."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; refusals have a status and one line."""
        try:
            body = await self._answer(scope, receive)
            await _send(send, 200, body, {"content-type": "text/csv; charset=utf-8"})
        except RefusedRequestError as error:
            headers = {"content-type": "text/plain; charset=utf-8", **error.headers}
            await _send(send, error.status, f"{error}\n".encode(), headers)
        except ClientDisconnectedError:
            return

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        path = scope["path"]
        if path == "/ping":
            _require_method(scope, "GET")
            return b""
        if path == "/invocations":
            _require_method(scope, "POST")
            body = await _read_body(receive)
            _require_csv(scope)
            return self.predict(body)
        raise RefusedRequestError(404, "Found an unknown path; expected /ping or /invocations.")

    def predict(self, body: bytes) -> bytes:
        """Check, encode and predict the rows of one request.

        Raises
        ------
        RefusedRequestError
            With 400 and the line and column, if a row breaks the contract.
        """
        try:
            table = read_features(self._artifact.contract, body, "request")
        except DataError as error:
            raise RefusedRequestError(400, str(error)) from error
        return "\n".join([*self._artifact.predict(table), ""]).encode()


def _port() -> int:
    text = os.environ.get("SAGEMAKER_BIND_TO_PORT") or str(DEFAULT_PORT)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise JobInputError(
            f"SAGEMAKER_BIND_TO_PORT: found {text[:16]!r}, expected a port from 1 to 65535."
        )
    return int(text)


def _require_method(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise RefusedRequestError(
            405, f"Found {scope['method']}, expected {method}.", {"allow": method}
        )


def _require_csv(scope: Scope) -> None:
    content_type = _header(scope, b"content-type")
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "text/csv" or charset not in ("", "utf-8", "us-ascii"):
        found = repr(content_type[:64]) if content_type else "no content type"
        raise RefusedRequestError(415, f"Found {found}, expected text/csv in UTF-8.")
    accept = _header(scope, b"accept").lower().split(",")
    accepted = {part.partition(";")[0].strip() for part in accept}
    if not accepted & {"", "text/csv", "text/*", "*/*"}:
        raise RefusedRequestError(406, "Found no accepted content type that is text/csv.")


def _header(scope: Scope, name: bytes) -> str:
    values = [value for key, value in scope["headers"] if key == name]
    return b",".join(values).decode("latin-1")


async def _read_body(receive: Receive) -> bytes:
    chunks = bytearray()
    received = 0
    more = True
    while more and received <= MAX_DRAINED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        chunk = message.get("body", b"")
        received += len(chunk)
        if received <= MAX_BODY_BYTES:
            chunks += chunk
        more = message.get("more_body", False)
    if received > MAX_BODY_BYTES:
        raise RefusedRequestError(
            413, f"Found more than {MAX_BODY_BYTES} bytes; send the rows in several requests."
        )
    return bytes(chunks)


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    fields = {**headers, "content-length": str(len(body))}
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
