"""Lambda's asynchronous invocations: two more attempts after an error, then the outcome is sent."""

import threading
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from local_account.service import Account
from local_account.services.lambda_destinations import Outcome, send_outcome
from local_account.services.lambda_worker import Function, Invocation, error_document

_RETRIED_SECONDS = (0.5, 1.0)  # one and two minutes on AWS
_THROTTLED_SECONDS = 0.2

Invoke = Callable[[Function, bytes, str], Invocation]


class Throttled(Exception):
    """As many invocations run as the function has concurrency."""


@dataclass(frozen=True)
class _Event:
    """What one function is invoked with, once or several times."""

    function: Function
    payload: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    accepted: float = field(default_factory=time.monotonic)

    @property
    def is_too_old(self) -> bool:
        """Whether the event has waited for longer than its function's settings allow."""
        return time.monotonic() - self.accepted > self.function.event.max_age_seconds


class EventInvocations:
    """Runs functions that nobody waits for."""

    def __init__(self, account: Account, invoke: Invoke) -> None:
        self._account, self._invoke = account, invoke
        self._events = ThreadPoolExecutor(16, thread_name_prefix="event")
        self._attempts = ThreadPoolExecutor(16, thread_name_prefix="lambda")
        self._closing = threading.Event()

    def accept(self, function: Function, payload: bytes) -> None:
        """Run a function some time soon."""
        self._events.submit(self._run, _Event(function, payload))

    def close(self) -> None:
        """Start no further attempts."""
        self._closing.set()
        for pool in (self._events, self._attempts):
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, event: _Event) -> None:
        condition, attempts, answer = self._tried(event)
        if not self._closing.is_set():
            ending = (condition, attempts, answer)
            outcome = Outcome(event.function, event.payload, event.request_id, *ending)
            send_outcome(self._account, outcome)

    def _tried(self, event: _Event) -> tuple[str, int, Invocation | None]:
        """Return how the attempts ended, how many there were, and the last one's answer."""
        if event.function.concurrency == 0:
            return "ZeroReservedConcurrency", 0, None
        answer, attempts = None, 0
        for seconds in (0, *_RETRIED_SECONDS[: event.function.event.retries]):
            if self._closing.wait(seconds):
                break
            answer = self._attempt(event)
            if answer is None:
                return "EventAgeExceeded", attempts, answer
            attempts += 1
            if not answer.is_error:
                return "Success", attempts, answer
        return "RetriesExhausted", attempts, answer

    def _attempt(self, event: _Event) -> Invocation | None:
        """Run the function, as soon as it is not throttled; None for an event that is too old.

        Whatever keeps it from running is an error of this attempt.
        """
        function, request_id = event.function, event.request_id
        while not event.is_too_old:
            attempt = self._attempts.submit(self._invoke, function, event.payload, request_id)
            error = attempt.exception()
            if error is None:
                return attempt.result()
            if not isinstance(error, Throttled):
                print(f"{function.name} could not run, request {request_id}:", flush=True)
                traceback.print_exception(error)
                document = error_document("Runtime.StartError", f"{type(error).__name__}: {error}")
                return Invocation(document, is_error=True, log="")
            self._closing.wait(_THROTTLED_SECONDS)
        return None
