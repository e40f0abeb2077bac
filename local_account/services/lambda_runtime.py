"""Lambda: the functions' own code, in warm processes of the Python runtime client."""

import hashlib
import os
import shutil
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_account.archives import extract_zip
from local_account.limits import MIB
from local_account.native_packages import use_native_builds
from local_account.service import Account
from local_account.services.lambda_destinations import session_of
from local_account.services.lambda_events import EventInvocations, Throttled
from local_account.services.lambda_sandbox import Confinement, confine
from local_account.services.lambda_worker import Function, Invocation, Worker, error_document

_MAX_RESPONSE_BYTES = 6_291_556
_MAX_CODE_BYTES = 250 * MIB  # unpacked, as on AWS


class LambdaRuntime:
    """Runs functions: one invocation at a time in a worker, idle workers are used again."""

    def __init__(
        self,
        account: Account,
        python: Path,
        native_packages: Path,
        write_log: Callable[[Function, str, list[str]], None],
    ) -> None:
        self._account, self._python, self._native = account, python, native_packages
        self._write_log = write_log
        self._idle: dict[str, list[Worker]] = defaultdict(list)  # by the function's ARN
        self._keys: dict[str, str] = {}
        self._workers: list[Worker] = []
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._events = EventInvocations(account, self.invoke)

    def invoke(self, function: Function, payload: bytes, request_id: str = "") -> Invocation:
        """Run a function and return its answer; what it logged goes to its log group.

        Raises
        ------
        Throttled
            If as many invocations run as the function has concurrency.
        """
        with self._counted(function):
            key = hashlib.sha256(repr(function).encode()).hexdigest()
            worker = self._take(key, function)
            invocation = worker.invoke(function, payload, request_id or str(uuid.uuid4()))
            self._put_back(worker, function.arn)
        self._write_log(function, worker.log_stream, invocation.log.splitlines())
        size = len(invocation.payload)
        if size <= _MAX_RESPONSE_BYTES:
            return invocation
        message = (
            f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
            f"({_MAX_RESPONSE_BYTES} bytes)."
        )
        document = error_document("Function.ResponseSizeTooLarge", message)
        return Invocation(document, is_error=True, log=invocation.log)

    @contextmanager
    def _counted(self, function: Function) -> Iterator[None]:
        with self._lock:
            busy = self._busy[function.name]
            if function.concurrency is not None and busy >= function.concurrency:
                raise Throttled
            self._busy[function.name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[function.name] -= 1

    def invoke_event(self, function: Function, payload: bytes) -> None:
        """Run a function without waiting for its answer."""
        self._events.accept(function, payload)

    def retire(self, arn: str) -> None:
        """End the processes of a function that is deleted, those at work when they are done."""
        with self._lock:
            for known in [name for name in self._keys if name == arn or name.startswith(f"{arn}:")]:
                del self._keys[known]
                for worker in self._idle.pop(known, []):
                    self._end(worker)

    def kill(self, name_part: str) -> None:
        """Kill every process of the functions whose names contain a text, at work or idle."""
        with self._lock:
            workers = [worker for worker in self._workers if name_part in worker.function_name]
        for worker in workers:
            worker.kill()

    def _take(self, key: str, function: Function) -> Worker:
        with self._lock:
            self._keys[function.arn] = key
            while self._idle[function.arn]:
                worker = self._idle[function.arn].pop()
                if worker.alive and worker.key == key:
                    return worker
                self._end(worker)
            task_root = self._task_root(function)
        confined = confine(self._python, task_root, task_root.parent / uuid.uuid4().hex)
        command = [str(self._python), "-m", "awslambdaric", function.handler]
        worker = Worker(confined, command, task_root, self._environment(function, confined), key)
        with self._lock:
            self._workers.append(worker)
        return worker

    def _put_back(self, worker: Worker, arn: str) -> None:
        """Keep a worker for the next invocation, unless it died or its function has changed."""
        with self._lock:
            if worker.alive and self._keys.get(arn) == worker.key:
                self._idle[arn].append(worker)
            else:
                self._end(worker)

    def _end(self, worker: Worker) -> None:
        worker.discard()
        with suppress(ValueError):
            self._workers.remove(worker)

    def _task_root(self, function: Function) -> Path:
        """Unpack the code once per content, with native packages built for this machine."""
        folder = self._account.state / "lambda" / function.code_sha256[:24]
        root = folder / "task"
        if not root.exists():
            unpacked = folder / "unpacking"
            shutil.rmtree(unpacked, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            archive = folder / "code.zip"
            archive.write_bytes(function.code)
            extract_zip(archive, unpacked, _MAX_CODE_BYTES)
            use_native_builds(unpacked, self._native)
            unpacked.rename(root)
        return root

    def _environment(self, function: Function, confined: Confinement) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": confined.home,
            "LAMBDA_TASK_ROOT": confined.task_root,
            "PYTHONPATH": f"{confined.client}{os.pathsep}{confined.task_root}",
            **confined.environment,
            "PYTHONUNBUFFERED": "1",
            "_HANDLER": function.handler,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python",
            **self._account.environment(session_of(self._account, function)),
            **dict(function.environment),
        }

    def close(self) -> None:
        """Stop every worker."""
        self._events.close()
        for worker in list(self._workers):
            worker.discard()
