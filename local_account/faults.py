"""Faults that a test asks for: an operation refused, its answer lost, a function killed.

They are listed in a file, which is read again when it changes.
"""

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.session import get_session

from local_account.operations import SIGNED, Environ, body_of, operation_of, service_of
from local_account.service import ServiceError

Answer = Callable[[Any], Iterable[bytes]]
"""Carries a request out: called with WSGI's `start_response`, it returns the body."""

EFFECTS = ("error", "lost", "kill_before", "kill_after")
_THROTTLED = {"s3": ("SlowDown", 503), "lambda": ("TooManyRequestsException", 429)}
_BROKEN = {"s3": "InternalError", "lambda": "ServiceException"}
_MANY = 1_000_000
_TEXTS = ("service", "operation", "effect", "contains", "code", "message", "function")


@dataclass
class Fault:
    """What befalls the requests for an operation; `docs/embedded-account.md` has the format."""

    service: str
    operation: str
    effect: str
    contains: str = ""
    skip: int = 0
    times: int | None = 1
    code: str = ""
    message: str = "The embedded account was told to fail this request."
    status: int = 0
    function: str = ""
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Refuse what could befall no request, or could not be told to its client."""
        for name in _TEXTS:
            if not isinstance(value := getattr(self, name), str):
                raise ValueError(f"{name!r} is {value!r}, which is no text")
        _require_number("skip", self.skip, range(_MANY))
        if self.times is not None:
            _require_number("times", self.times, range(1, _MANY))
        if self.status != 0:
            _require_number("status", self.status, range(400, 600))
        if self.operation not in (operations := _operations(self.service)):
            raise ValueError(
                f"'operation' is {self.operation!r}, which is none of {self.service}"
                if operations
                else f"'service' is {self.service!r}, which no requests are signed with"
            )
        if self.effect not in EFFECTS:
            raise ValueError(f"the effect {self.effect!r} is none of {', '.join(EFFECTS)}")
        if self.effect.startswith("kill") and not self.function:
            raise ValueError(f"{self.effect} needs 'function', a part of a function's name")

    def befalls(self, service: str, operation: str, text: str) -> bool:
        """Tell whether a request meets this fault, and count it if it is of its kind."""
        if (service, operation) != (self.service, self.operation) or self.contains not in text:
            return False
        self.seen += 1
        return self.seen > self.skip and (self.times is None or self.seen <= self.skip + self.times)

    @property
    def error(self) -> ServiceError:
        """What the client is told."""
        code, status = _BROKEN.get(self.service, "InternalFailure"), 500
        if self.effect == "error":
            code, status = _THROTTLED.get(self.service, ("ThrottlingException", 400))
            status = 400 if self.code else status
        return ServiceError(self.code or code, self.message, self.status or status)


def _require_number(name: str, value: object, limits: range) -> None:
    if type(value) is not int or value not in limits:  # a truth value is an integer to Python
        raise ValueError(f"{name!r} is {value!r}, expected {limits[0]} to {limits[-1]}")


@lru_cache
def _operations(service: str) -> frozenset[str]:
    """Return the operations of the requests that are signed with a name; of no service: none."""
    session = get_session()
    try:
        models = [session.get_service_model(name) for name in SIGNED.get(service, (service,))]
    except UnknownServiceError:
        return frozenset()
    signed = (model for model in models if model.signing_name == service)
    return frozenset(name for model in signed for name in model.operation_names)


class Faults:
    """The faults listed in a file, each counted from the file's last change on.

    Parameters
    ----------
    path
        The file; without it nothing is amiss.
    kill
        Kills the workers of the functions whose names contain a text.
    """

    def __init__(self, path: Path, kill: Callable[[str], None]) -> None:
        self._path, self._kill = path, kill
        self._lock = threading.Lock()
        self._read: tuple[int, int, int] | None = None
        self._faults: list[Fault] = []

    def met_by(self, environ: Environ) -> Fault | None:
        """Return the first fault that a request meets; its body can be read again afterwards.

        Raises
        ------
        ServiceError
            If the file is not a list of faults.
        """
        with self._lock:
            self._refresh()
            service = service_of(environ)
            if all(fault.service != service for fault in self._faults):
                return None
        operation = operation_of(service, environ)
        path = f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        text = f"{path}\n{body_of(environ).decode(errors='replace')}"
        with self._lock:
            return next((f for f in self._faults if f.befalls(service, operation, text)), None)

    def inflict(self, fault: Fault, answer: Answer, start_response: Any) -> Iterable[bytes]:
        """Carry a request out as far as its fault lets it be.

        Raises
        ------
        ServiceError
            If its client is told of an error.
        """
        if fault.effect == "kill_before":
            self._kill(fault.function)
        if fault.effect in ("error", "kill_before"):
            raise fault.error
        try:
            return list(answer(_unheard if fault.effect == "lost" else start_response))
        finally:
            self._afterwards(fault)

    def _afterwards(self, fault: Fault) -> None:
        if fault.effect == "lost":
            raise fault.error
        self._kill(fault.function)

    def _refresh(self) -> None:
        read, content = None, "[]"
        with suppress(FileNotFoundError):
            stat = self._path.stat()
            read = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if read != self._read:
                content = self._path.read_text()
        if read == self._read:
            return
        try:
            self._faults = [Fault(**entry) for entry in json.loads(content)]
        except (ValueError, TypeError) as error:
            message = f"{self._path} is not a list of faults: {error}; correct it or delete it."
            raise ServiceError("InvalidFaults", message, 500) from error
        self._read = read


def _unheard(*_: Any) -> Callable[[bytes], None]:
    """Stand for `start_response` where nobody hears the answer."""
    return lambda _: None
