"""EventBridge Scheduler: fire schedules, and rules that have a schedule, when they are due."""

import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local_account.services.schedule_expressions import parse

_INSTANT, _NEW = timedelta(microseconds=1), timedelta(minutes=1)
# what a plan, or what it fires, can fail with; the plans after it are looked at all the same
_FAILURES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Plan:
    """When something is to happen, and what.

    Attributes
    ----------
    arn, expression, timezone
        Whose plan it is, and when it occurs.
    since
        From when occurrences count: a rate first occurs at this moment.
    known
        Since when the plan is as it is; earlier occurrences are none of it.
    end
        After this moment there are no more occurrences.
    fire
        Called with the moment of an occurrence.
    finish
        Called after the last occurrence.
    """

    arn: str
    expression: str
    timezone: str
    since: datetime
    known: datetime
    end: datetime | None
    fire: Callable[[datetime], object] = field(compare=False)
    finish: Callable[[], object] = field(compare=False, default=lambda: None)

    def next(self, after: datetime) -> datetime | None:
        """Return the first occurrence after a moment."""
        try:
            due = parse(self.expression, self.timezone)(self.since, after)
        except OverflowError:  # after the year 9999
            return None
        return None if due is None or (self.end is not None and due > self.end) else due


def _counted_from(plan: Plan, now: datetime) -> datetime:
    """Return from when a plan that is seen for the first time counts."""
    is_new = now - plan.known < _NEW
    return plan.known - _INSTANT if is_new else now  # a rule that was disabled misses nothing


class Clock:
    """Looks at the plans several times a second and fires those that are due.

    An occurrence that was missed, because the machine slept, is made up for once.
    """

    def __init__(
        self,
        plans: Callable[[], Iterable[Plan]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds_between_looks: float = 0.2,
    ) -> None:
        self._plans, self._now, self._seconds = plans, now, seconds_between_looks
        self._due: dict[Plan, datetime | None] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="clock")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Fire nothing more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Fire what is due, and forget what is no longer planned."""
        plans = list(self._plans())
        self._due = {plan: self._due[plan] for plan in plans if plan in self._due}
        for plan in plans:
            try:
                self._look_at(plan)
            except _FAILURES:
                print(f"occurrence lost: {plan.arn}, {plan.expression}:", flush=True)
                traceback.print_exc()

    def _look_at(self, plan: Plan) -> None:
        now = self._now()
        if plan not in self._due:
            self._due[plan] = plan.next(_counted_from(plan, now))
        due = self._due[plan]
        if due is None or due > now:
            return
        # before it fires: one that fails is not due again at the next look
        following = self._due[plan] = plan.next(now)
        plan.fire(due)
        if following is None:
            plan.finish()

    def _run(self) -> None:
        while not self._closed.wait(self._seconds):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - nothing that moto keeps may stop the clock for good
                traceback.print_exc()
