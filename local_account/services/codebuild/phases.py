"""The phases of one build as it goes through them: told in its record, its log and by events."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from local_account.services.codebuild import events
from local_account.services.codebuild.log import BuildLog
from local_account.services.codebuild.plane import Plane, Record
from local_account.services.codebuild.records import Build, Interrupted, PhaseFailed

_NOT_IN_LOGS = ("SUBMITTED", "QUEUED", "PROVISIONING", "FINALIZING")  # outside of the container
_FAULT = ("FAULT", "INTERNAL_ERROR", "Internal service error")


class Phases:
    """Enters and leaves the phases of one build."""

    def __init__(self, plane: Plane, build: Build, log: BuildLog) -> None:
        self._plane, self._build, self._log = plane, build, log

    def succeeds(self, name: str, work: Callable[[], None]) -> bool:
        """Carry out a phase; tell whether it did not fail."""
        with suppress(PhaseFailed), self.phase(name):
            work()
            return True
        self._build.failing = True
        return False

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Enter a phase, and leave it with what becomes of it: a fault, unless it says otherwise.

        Raises
        ------
        PhaseFailed
            If the phase did.
        """
        with self._plane.lock:
            phase = self._build.enter(name)
        ending = _FAULT
        try:
            yield
            ending = ("SUCCEEDED", "", "")
        except PhaseFailed as failed:
            ending = ("FAILED", failed.code, failed.message)
            raise
        except Interrupted as interrupted:
            ending = (interrupted.status, interrupted.code, interrupted.message)
            raise
        finally:
            self._left(phase, *ending)

    def _left(self, phase: Record, status: str, code: str, message: str) -> None:
        name = phase["phaseType"]
        if name not in _NOT_IN_LOGS:
            self._log.say(f"Phase complete: {name} State: {status}")
            self._log.say(f"Phase context status code: {code} Message: {message}")
        with self._plane.lock:
            self._build.leave(phase, status, code, message)
        self._log.ship()
        events.phase_changed(self._plane, self._build, phase)
