"""The Lambda Runtime API, where one worker process asks for its work and answers it."""

import queue
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_INVOCATIONS, _INIT_ERROR = "/2018-06-01/runtime/invocation", "/2018-06-01/runtime/init/error"


class RuntimeApi(ThreadingHTTPServer):
    """The Lambda Runtime API of one worker process, which alone knows the secret in its paths.

    `awslambdaric` passes AWS_LAMBDA_RUNTIME_API to `http.client`, which takes a host and a port
    and no path, so the secret has a variable of its own, for the account's runtime client.
    """

    daemon_threads = True

    def __init__(self, look: Callable[[], None] = lambda: None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._look = look
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.secret = secrets.token_urlsafe(24)
        self.is_loading, self.request_id = True, ""
        self.loaded = threading.Event()
        # None: there are no more
        self.invocations: queue.Queue[tuple[dict[str, str], bytes] | None] = queue.Queue()
        self.answer: Future[tuple[bytes, bool]] = Future()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def service_actions(self) -> None:
        """Look, twice a second, at what is to be looked at."""
        self._look()

    def stop(self) -> None:
        """Stop serving, which takes up to half a second."""
        self.invocations.put(None)
        self.shutdown()
        self.server_close()

    def settle(self, body: bytes, is_error: bool) -> None:
        """Answer the invocation under way; later answers to the same one are dropped."""
        if not self.answer.done():
            self.answer.set_result((body, is_error))
        self.loaded.set()  # or never will be


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: RuntimeApi

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
        self.server.loaded.set()
        invocation = self.server.invocations.get()
        if invocation is None:
            self.server.invocations.put(None)  # for whoever else waits
            self.close_connection = True
            return
        headers, payload = invocation
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
