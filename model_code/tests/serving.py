"""`serve` as a process, and requests to it."""

import contextlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from model_code.tests.job import LIMIT_SECONDS, Job, require


@dataclass(frozen=True)
class Serving:
    """A running `serve`."""

    job: Job
    process: "subprocess.Popen[str]"
    url: str

    @classmethod
    def start(cls, job: Job) -> "Serving":
        port = _free_port()
        address = {"SAGEMAKER_BIND_TO_PORT": str(port), "MODEL_CODE_BIND_HOST": "127.0.0.1"}
        return cls(job, job.start("serve", **address), f"http://127.0.0.1:{port}")

    def wait(self) -> None:
        """Wait until it answers /ping."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            if self.process.poll() is not None:
                _, said = self.process.communicate()
                code = self.process.returncode
                require(
                    self.job.wrong("serve", code, said) or "`serve` ended; expected it to stay."
                )
            with contextlib.suppress(urllib.error.URLError):
                if self.ask("/ping") == (200, ""):
                    return
            if time.monotonic() > deadline:
                require(f"`serve` did not answer /ping within {LIMIT_SECONDS} s.")
            time.sleep(0.05)

    def ask(self, path: str, body: str | None = None) -> tuple[int, str]:
        """Send a request; return the status and the text of the answer."""
        data = None if body is None else body.encode()
        headers = {"content-type": "text/csv"}
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
