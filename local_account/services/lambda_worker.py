"""A Lambda worker: one warm process of the Python runtime client."""

import json
import math
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from local_account.contained import Process
from local_account.limits import MIB, family, memory_of
from local_account.services.lambda_api import RuntimeApi
from local_account.services.lambda_sandbox import Confinement

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
    if name := _SIGNALS.get(status - 128):
        return f"Runtime exited with error: signal: {name}"
    return f"Runtime exited with error: exit status {status}"


class Worker:
    """One process that has loaded a function and waits for its invocations.

    It and what it starts end with the account, even when that is killed. What it prints goes
    to a file without a name, which is gone with it and kept from growing without end.
    """

    def __init__(
        self,
        confined: Confinement,
        command: list[str],
        task_root: Path,
        environment: dict[str, str],
        key: str,
    ) -> None:
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.key = key
        self.log_stream = time.strftime("%Y/%m/%d/[$LATEST]") + uuid.uuid4().hex
        self._scratch = confined.scratch
        self.log, self._log_offset = _nameless(task_root.parent / uuid.uuid4().hex), 0
        self._cutting = threading.Lock()
        self.api = RuntimeApi(self._cut_log)
        contact = {
            "AWS_LAMBDA_RUNTIME_API": self.api.host,
            "LOCAL_ACCOUNT_RUNTIME_SECRET": self.api.secret,
        }
        popen = subprocess.Popen(
            [*confined.leader, *command],
            cwd=task_root,
            env={**environment, **contact},
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._process, self.peak_bytes = Process(popen, confined.isolation), 0
        self.begun, self.loaded = time.monotonic(), False
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        status = self._process.wait(None) or 0
        message = f"RequestId: {self.api.request_id} Error: {_exit_reason(status)}"
        self.api.settle(error_document("Runtime.ExitError", message), True)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.running

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
        log = self._logged(request_id, function.version, note) + _report(
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
        used = sum(map(memory_of, family(self._process.pid)))
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    def _logged(self, request_id: str, version: str, note: str) -> str:
        text = self._read_log()
        return (
            f"START RequestId: {request_id} Version: {version}\n"
            f"{text.decode(errors='replace')}{note}END RequestId: {request_id}\n"
        )

    def _read_log(self) -> bytes:
        with self._cutting:
            if self.log.closed:  # the account ends
                return b""
            text = os.pread(self.log.fileno(), _MAX_LOG_BYTES, self._log_offset)
            self._log_offset += len(text)
            if len(text) == _MAX_LOG_BYTES:
                text += f"\nThe rest is left out: over {_MAX_LOG_BYTES} bytes.\n".encode()
                self._log_offset = os.fstat(self.log.fileno()).st_size
            if self._log_offset > _MAX_LOG_BYTES:
                os.ftruncate(self.log.fileno(), 0)
                self._log_offset = 0
            return text

    def _cut_log(self) -> None:
        """Drop what will be left out of the log anyway, however much that is."""
        with self._cutting:
            end = self._log_offset + _MAX_LOG_BYTES
            if not self.log.closed and os.fstat(self.log.fileno()).st_size > end:
                os.ftruncate(self.log.fileno(), end)

    def kill(self) -> None:
        """End the process and what it started, as `kill -9` does."""
        self._process.kill()

    def discard(self) -> None:
        """Kill the process, stop its API and remove its folder and log."""
        self.kill()
        with self._cutting:
            self.log.close()
        threading.Thread(target=self.api.stop, daemon=True).start()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _nameless(path: Path) -> BinaryIO:
    """Open a file of no name that every writer appends to."""
    file = path.open("a+b", buffering=0)
    path.unlink()
    return file
