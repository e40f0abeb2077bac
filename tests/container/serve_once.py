"""Runs inside an image: starts `serve`, asks it, stops it; prints its answers and its exit code."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def ask(port: int, path: str, body: bytes | None = None) -> list[int | str]:
    url, headers = f"http://127.0.0.1:{port}{path}", {"content-type": "text/csv"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return [answer.status, base64.b64encode(answer.read()).decode()]


def main() -> None:
    rows, port = Path(__file__).with_name("rows.csv").read_bytes(), free_port()
    environment = {**os.environ, "SAGEMAKER_BIND_TO_PORT": str(port)}
    # the arguments are the image's entrypoint
    with subprocess.Popen([*sys.argv[1:], "serve"], env=environment) as serving:
        deadline = time.monotonic() + 30
        while serving.poll() is None and time.monotonic() < deadline:
            try:
                answers = [ask(port, "/ping"), ask(port, "/invocations", rows)]
            except urllib.error.URLError:
                time.sleep(0.05)
                continue
            serving.terminate()
            print(json.dumps({"answers": answers, "exit_code": serving.wait(30)}))
            return
        serving.kill()
        sys.exit("`serve` did not answer")


if __name__ == "__main__":
    main()
