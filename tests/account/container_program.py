"""The program of the test images: small, and told by its settings how to behave."""

import http.server
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def train() -> int:
    """Do what the hyperparameters say."""
    settings = json.loads((BASE / "input/config/hyperparameters.json").read_text())
    seen = sorted(str(p.relative_to(BASE)) for p in BASE.rglob("*") if p.is_file())
    (BASE / "output/data/seen.json").write_text(json.dumps(seen))
    (BASE / "output/data/environment.json").write_text(json.dumps(dict(os.environ)))
    (BASE / "model/model.txt").write_text(settings.get("answer", "1"))
    for line in settings.get("print", "").split("|"):
        print(line, flush=True)
    if "ignore_sigterm" in settings:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if "connect" in settings:
        host, port = settings["connect"].split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    time.sleep(float(settings.get("sleep", "0")))
    if "failure" in settings:
        (BASE / "output/failure").write_text(settings["failure"].replace("|", "\n"))
    return int(settings.get("exit", "0"))


def process() -> int:
    """Copy the input to the output and do what the environment says."""
    output = BASE / "processing/output/result"
    for path in (BASE / "processing/input").rglob("*"):
        if path.is_file():
            (output / path.name).write_bytes(path.read_bytes())
    (output / "config.json").write_bytes((BASE / "config/processingjobconfig.json").read_bytes())
    (output / "arguments.json").write_text(json.dumps(sys.argv[1:]))
    (output / "link").symlink_to("/etc/passwd")
    if "MESSAGE" in os.environ:
        times = int(os.environ.get("MESSAGE_TIMES", "1"))
        (BASE / "output/message").write_text(os.environ["MESSAGE"] * times)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(float(os.environ.get("SLEEP", "0")))
    return int(os.environ.get("EXIT", "0"))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the model's content, after the time that the request names."""

    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if body.startswith("status "):
            return self._answer(int(body.split()[1]), b"refused")
        if body.startswith("sleep "):
            time.sleep(float(body.split()[1]))
        if body == "write":
            (BASE / "model/more.txt").write_text("not allowed")
        return self._answer(200, (BASE / "model/model.txt").read_bytes())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept", "text/plain"))
        self.send_header("X-Internal", "stays inside")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve() -> int:
    """Serve until SIGTERM, finishing what is open; refuse to start if the model says so."""
    model = BASE / "model/model.txt"
    if not model.exists() or model.read_text() == "broken":
        print("no usable model", flush=True)
        return 1
    host = os.environ.get("MODEL_CODE_BIND_HOST", "0.0.0.0")  # noqa: S104
    address = (host, int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))
    server = http.server.ThreadingHTTPServer(address, Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()
    return 0


if __name__ == "__main__":
    command = {"train": train, "serve": serve}.get((sys.argv[1:] or [""])[0], process)
    sys.exit(command())
