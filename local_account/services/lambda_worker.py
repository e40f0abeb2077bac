"""A Lambda worker: one warm process of the Python runtime client, and the API it asks for work."""

import json
import os
import queue
import secrets
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local_account.sandbox import WATCHED

_MAX_LOG_BYTES = 4 * 1024 * 1024
_INVOCATIONS, _INIT_ERROR = "/2018-06-01/runtime/invocation", "/2018-06-01/runtime/init/error"


@dataclass(frozen=True)
class Function:
    """What an invocation needs to know of a function: its code and its configuration."""

    arn: str
    name: str
    version: str
    handler: str
    code: bytes = field(repr=False)
    code_sha256: str
    environment: tuple[tuple[str, str], ...]
    memory_mb: int
    timeout_seconds: int
    log_group: str
    event_retries: int = 2
    dead_letter_arn: str = ""


@dataclass(frozen=True)
class Invocation:
    """The answer of a function, or its error document, and what it logged."""

    payload: bytes
    is_error: bool
    log: str


def error_document(error_type: str, message: str) -> bytes:
    """Return an error as a function's runtime words it."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


class _RuntimeApi(ThreadingHTTPServer):
    """The Lambda Runtime API of one worker process, which alone knows the secret in its paths.

    `awslambdaric` passes AWS_LAMBDA_RUNTIME_API to `http.client`, which takes a host and a port
    and no path, so the secret has a variable of its own, for the account's runtime client.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.secret = secrets.token_urlsafe(24)
        self.is_loading, self.request_id = True, ""
        self.invocations: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.answer: Future[tuple[bytes, bool]] = Future()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop serving, which takes up to half a second."""
        self.shutdown()
        self.server_close()

    def settle(self, body: bytes, is_error: bool) -> None:
        """Answer the invocation under way; later answers to the same one are dropped."""
        if not self.answer.done():
            self.answer.set_result((body, is_error))


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: _RuntimeApi

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the function's own log is what people read."""

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _is_admitted(self) -> bool:
        """Tell whether this is no web page's request, and about the invocation under way."""
        api = self.server
        if "Origin" in self.headers or self.headers.get("Host") != api.host:
            return False
        invocation = f"/{api.secret}{_INVOCATIONS}"
        if self.command == "GET":
            return self.path == f"{invocation}/next"
        answers = {f"{invocation}/{api.request_id}/{kind}" for kind in ("response", "error")}
        # awslambdaric itself tells of a function that cannot be loaded, without the secret
        return self.path in answers or (api.is_loading and self.path == _INIT_ERROR)

    def do_GET(self) -> None:
        if not self._is_admitted():
            self._refuse()
            return
        self.server.is_loading = False
        headers, payload = self.server.invocations.get()
        self._reply(200, payload, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_admitted():
            self._refuse()
            return
        self._reply(202, b"", {})
        self.server.settle(body, is_error=self.path.endswith("/error"))

    def _refuse(self) -> None:
        message = b"Only this worker's own process may ask for its invocation and answer it."
        self._reply(403, message, {"Connection": "close"})


class Worker:
    """One process that has loaded a function and waits for its invocations.

    It and what it starts end with the account, even when that is killed.
    """

    def __init__(
        self, command: list[str], folder: Path, environment: dict[str, str], key: str
    ) -> None:
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.key = key
        self.api = _RuntimeApi()
        self.folder = folder
        self.log_stream = time.strftime("%Y/%m/%d/[$LATEST]") + uuid.uuid4().hex
        self.log_path = folder / f"{uuid.uuid4().hex}.log"
        contact = {
            "AWS_LAMBDA_RUNTIME_API": self.api.host,
            "LOCAL_ACCOUNT_RUNTIME_SECRET": self.api.secret,
        }
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", WATCHED, "function", *command],
                cwd=environment["LAMBDA_TASK_ROOT"],
                env={**environment, **contact},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.log_offset = 0
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        status = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()  # whatever it started ends with it
        self.api.settle(error_document("Runtime.ExitError", f"Runtime exited with {status}"), True)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def invoke(self, function: Function, payload: bytes, request_id: str) -> Invocation:
        """Hand the process an invocation and wait for its answer, its end or the timeout."""
        started = time.monotonic()
        deadline = int((time.time() + function.timeout_seconds) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": function.arn,
            "Content-Type": "application/json",
        }
        self.api.request_id = request_id
        self.api.invocations.put((headers, payload))
        try:
            body, is_error = self.api.answer.result(function.timeout_seconds)
        except FutureTimeout:
            self.kill()
            text = f"Error: Task timed out after {function.timeout_seconds:.2f} seconds"
            message = f"RequestId: {request_id} {text}"
            body, is_error = error_document("Sandbox.Timedout", message), True
        else:
            self.api.answer = Future()
        return Invocation(body, is_error, self._log(function, request_id, started))

    def _log(self, function: Function, request_id: str, started: float) -> str:
        with self.log_path.open("rb") as log:
            log.seek(self.log_offset)
            text = log.read(_MAX_LOG_BYTES)
            self.log_offset += len(text)
            if len(text) == _MAX_LOG_BYTES:
                text += f"\nThe rest is left out: over {_MAX_LOG_BYTES} bytes.\n".encode()
                self.log_offset = log.seek(0, os.SEEK_END)
        duration = (time.monotonic() - started) * 1000
        return (
            f"START RequestId: {request_id} Version: {function.version}\n"
            f"{text.decode(errors='replace')}END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {duration:.2f} ms\t"
            f"Memory Size: {function.memory_mb} MB"
        )

    def kill(self) -> None:
        """End the process and what it started, as `kill -9` does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def discard(self) -> None:
        """Kill the process and stop its API."""
        self.kill()
        threading.Thread(target=self.api.stop, daemon=True).start()
