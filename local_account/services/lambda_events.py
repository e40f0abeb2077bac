"""Lambda's asynchronous invocations: two more attempts after an error, then the outcome is sent."""

import heapq
import itertools
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from local_account.service import Account
from local_account.services.lambda_destinations import Outcome, send_outcome
from local_account.services.lambda_worker import Function, Invocation, error_document

_RETRIED_SECONDS = (0.5, 1.0)  # one and two minutes on AWS
_THROTTLED_SECONDS = 0.2

Invoke = Callable[[Function, bytes, str], Invocation]


class Throttled(Exception):
    """As many invocations run as the function has concurrency."""


class _Dropped(Exception):
    """An event is given up without another attempt; the message is the condition."""


@dataclass(frozen=True)
class _Event:
    """What one function is invoked with, once or several times."""

    function: Function
    payload: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    accepted: float = field(default_factory=time.monotonic)
    attempts: int = 0

    @property
    def is_too_old(self) -> bool:
        """Whether the event has waited for longer than its function's settings allow."""
        return time.monotonic() - self.accepted > self.function.event.max_age_seconds


class EventInvocations:
    """Runs functions that nobody waits for; an event that has to wait keeps no thread."""

    def __init__(self, account: Account, invoke: Invoke) -> None:
        self._account, self._invoke = account, invoke
        self._attempts = ThreadPoolExecutor(16, thread_name_prefix="lambda")
        self._ends = ThreadPoolExecutor(4, thread_name_prefix="event")
        self._waiting: list[tuple[float, int, _Event]] = []
        self._numbers = itertools.count()
        self._changed, self._closing = threading.Condition(), False
        threading.Thread(target=self._start_when_due, daemon=True).start()

    def accept(self, function: Function, payload: bytes) -> None:
        """Run a function some time soon."""
        self._start_after(0, _Event(function, payload))

    def close(self) -> None:
        """Start no further attempts."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            for pool in (self._attempts, self._ends):
                pool.shutdown(wait=False, cancel_futures=True)

    def _start_after(self, seconds: float, event: _Event) -> None:
        due = time.monotonic() + seconds
        with self._changed:
            heapq.heappush(self._waiting, (due, next(self._numbers), event))
            self._changed.notify()

    def _start_when_due(self) -> None:
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                while self._waiting and self._waiting[0][0] <= now:
                    event = heapq.heappop(self._waiting)[-1]
                    attempt = self._attempts.submit(self._attempt, event)
                    attempt.add_done_callback(partial(self._follow, event))
                self._changed.wait(self._waiting[0][0] - now if self._waiting else None)

    def _attempt(self, event: _Event) -> Invocation:
        if event.function.concurrency == 0:
            raise _Dropped("ZeroReservedConcurrency")
        if event.is_too_old:
            raise _Dropped("EventAgeExceeded")
        return self._invoke(event.function, event.payload, event.request_id)

    def _follow(self, event: _Event, attempt: "Future[Invocation]") -> None:
        with self._changed:
            if not self._closing:
                self._ends.submit(self._ended, event, attempt)

    def _ended(self, event: _Event, attempt: "Future[Invocation]") -> None:
        """Send the outcome, or try again later: what kept it from running is an error, too."""
        error = attempt.exception()
        if isinstance(error, Throttled):
            self._start_after(_THROTTLED_SECONDS, event)
            return
        if isinstance(error, _Dropped):
            self._send(event, str(error), None)
            return
        answer = attempt.result() if error is None else _unstarted(event, error)
        event = replace(event, attempts=event.attempts + 1)
        if not answer.is_error:
            self._send(event, "Success", answer)
        elif event.attempts > event.function.event.retries:
            self._send(event, "RetriesExhausted", answer)
        else:
            self._start_after(_RETRIED_SECONDS[event.attempts - 1], event)

    def _send(self, event: _Event, condition: str, answer: Invocation | None) -> None:
        ending = (condition, event.attempts, answer)
        outcome = Outcome(event.function, event.payload, event.request_id, *ending)
        send_outcome(self._account, outcome)


def _unstarted(event: _Event, error: BaseException) -> Invocation:
    """Return the error of an attempt whose function could not be started, and say so."""
    print(f"{event.function.name} could not run, request {event.request_id}:", flush=True)
    traceback.print_exception(error)
    document = error_document("Runtime.StartError", f"{type(error).__name__}: {error}")
    return Invocation(document, is_error=True, log="")
