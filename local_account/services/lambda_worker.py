"""A Lambda worker: one warm process of the Python runtime client."""

import json
import math
import os
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from local_account.limits import MIB, descendants, memory_of
from local_account.services.lambda_api import RuntimeApi

_MAX_LOG_BYTES = 4 * MIB
_LOOKED_AT_SECONDS = 0.05
_INIT_SECONDS = 10.0
_SIGNALS: dict[int, str] = {
    signal.SIGABRT: "aborted",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}


@dataclass(frozen=True)
class EventSettings:
    """What becomes of a function's asynchronous invocations: ARNs, or nothing."""

    retries: int = 2
    max_age_seconds: int = 21_600
    on_success: str = ""
    on_failure: str = ""
    dead_letter_arn: str = ""


@dataclass(frozen=True)
class Function:
    """What an invocation needs to know of a function: its code and its configuration."""

    arn: str
    name: str
    version: str
    handler: str
    role: str
    code: bytes = field(repr=False)
    code_sha256: str
    environment: tuple[tuple[str, str], ...]
    memory_mb: int
    timeout_seconds: int
    log_group: str
    # these change no process that runs
    event: EventSettings = field(default=EventSettings(), repr=False)
    concurrency: int | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Invocation:
    """The answer of a function, or its error document, and what it logged."""

    payload: bytes
    is_error: bool
    log: str


def error_document(error_type: str, message: str) -> bytes:
    """Return an error as a function's runtime words it."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def _ended(document: bytes) -> str:
    """Return what the log says of an invocation whose process ended, or nothing."""
    error: dict[str, str] = json.loads(document)
    kind, message = error.get("errorType"), error.get("errorMessage", "")
    if kind == "Sandbox.Timedout":
        request_id, _, what = message.removeprefix("RequestId: ").partition(" Error: ")
        return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {request_id} {what}\n"
    return f"{message}\n{kind}\n" if kind == "Runtime.ExitError" else ""


def _report(request_id: str, seconds: float, memory_mb: int, peak_bytes: int) -> str:
    milliseconds = seconds * 1000
    return (
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
        f"Billed Duration: {math.ceil(milliseconds)} ms\tMemory Size: {memory_mb} MB\t"
        f"Max Memory Used: {math.ceil(peak_bytes / MIB)} MB\t"
    )


def _exit_reason(status: int) -> str:
    """Say how a runtime ended, in the words of AWS's supervisor."""
    if status == 0:
        return "Runtime exited without providing a reason"
    number = -status if status < 0 else status - 128
    if number in _SIGNALS:
        return f"Runtime exited with error: signal: {_SIGNALS[number]}"
    return f"Runtime exited with error: exit status {status}"


class Worker:
    """One process that has loaded a function and waits for its invocations.

    It and what it starts end with the account, even when that is killed.
    """

    def __init__(
        self, command: list[str], folder: Path, environment: dict[str, str], key: str
    ) -> None:
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.key = key
        self.api = RuntimeApi()
        self.folder = folder
        self.log_stream = time.strftime("%Y/%m/%d/[$LATEST]") + uuid.uuid4().hex
        self.log_path = folder / f"{uuid.uuid4().hex}.log"
        contact = {
            "AWS_LAMBDA_RUNTIME_API": self.api.host,
            "LOCAL_ACCOUNT_RUNTIME_SECRET": self.api.secret,
        }
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder / "task",
                env={**environment, **contact},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.log_offset = self.peak_bytes = 0
        self.begun, self.loaded = time.monotonic(), False
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        status = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()  # whatever it started ends with it
        message = f"RequestId: {self.api.request_id} Error: {_exit_reason(status)}"
        self.api.settle(error_document("Runtime.ExitError", message), True)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def invoke(self, function: Function, payload: bytes, request_id: str) -> Invocation:
        """Hand the process an invocation and wait for its answer, its end or the timeout.

        The timeout begins when the function is loaded, unless that takes too long.
        """
        self.api.request_id = request_id
        init = self._load()
        started = time.monotonic()
        deadline = int((time.time() + function.timeout_seconds) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": function.arn,
            "Content-Type": "application/json",
        }
        self.api.invocations.put((headers, payload))
        self.peak_bytes = 0
        try:
            body, is_error = self._answer(function, started + function.timeout_seconds)
        except FutureTimeout:
            self.kill()
            text = f"Error: Task timed out after {function.timeout_seconds:.2f} seconds"
            message = f"RequestId: {request_id} {text}"
            body, is_error = error_document("Sandbox.Timedout", message), True
        else:
            self.api.answer = Future()
        seconds = time.monotonic() - started
        note = _ended(body) if is_error else ""
        log = self._log(request_id, function.version, note) + _report(
            request_id, seconds, function.memory_mb, self.peak_bytes
        )
        return Invocation(body, is_error, f"{log}{init}")

    def _load(self) -> str:
        """Wait until the function is loaded, the first time, and say how long that took."""
        if self.loaded:
            return ""
        self.loaded = True
        self.api.loaded.wait(_INIT_SECONDS)
        return f"Init Duration: {(time.monotonic() - self.begun) * 1000:.2f} ms\t"

    def _answer(self, function: Function, deadline: float) -> tuple[bytes, bool]:
        """Wait for the answer, and kill a process that takes more memory than it has."""
        while True:
            try:
                answer = self.api.answer.result(
                    min(_LOOKED_AT_SECONDS, deadline - time.monotonic())
                )
            except FutureTimeout:
                if self._memory() > function.memory_mb * MIB:
                    self.kill()  # which is its answer
                elif time.monotonic() >= deadline:
                    raise
            else:
                self._memory()
                return answer

    def _memory(self) -> int:
        """Return what the process and all that it started have in memory, in bytes."""
        used = sum(map(memory_of, descendants(self.process.pid)))
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    def _log(self, request_id: str, version: str, note: str) -> str:
        with self.log_path.open("rb") as log:
            log.seek(self.log_offset)
            text = log.read(_MAX_LOG_BYTES)
            self.log_offset += len(text)
            if len(text) == _MAX_LOG_BYTES:
                text += f"\nThe rest is left out: over {_MAX_LOG_BYTES} bytes.\n".encode()
                self.log_offset = log.seek(0, os.SEEK_END)
        return (
            f"START RequestId: {request_id} Version: {version}\n"
            f"{text.decode(errors='replace')}{note}END RequestId: {request_id}\n"
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
