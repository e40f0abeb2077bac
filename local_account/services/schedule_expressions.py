"""Schedule expressions of EventBridge: when `at(...)`, `rate(...)` and `cron(...)` occur."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, product
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Occurrences = Callable[[datetime, datetime], datetime | None]
"""Called with the moment from which a schedule counts and another one, returns the first
occurrence after the latter (`None`: there is none). All moments are in UTC."""

_UNITS = {"minute": "minutes", "hour": "hours", "day": "days"}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, _MONTHS),
    (1, 7, _WEEKDAYS),
    (1970, 2199, []),
)
_YEARS_TRIED = 9  # 29 February comes after at most eight years
_INSTANT = timedelta(microseconds=1)


class InvalidExpression(ValueError):
    """A schedule expression that AWS would refuse, or that is not modelled here."""


def parse(expression: str, timezone: str = "UTC") -> Occurrences:
    """Read a schedule expression.

    Raises
    ------
    InvalidExpression
        If the expression or the time zone is none.
    """
    match = re.fullmatch(r"(at|rate|cron)\(([^()]*)\)", expression)
    if match is None:
        raise InvalidExpression(f"Invalid Schedule Expression {expression}.")
    try:
        zone = ZoneInfo(timezone)
        return {"at": _at, "rate": _rate, "cron": _cron}[match[1]](match[2], zone)
    except (ZoneInfoNotFoundError, IsADirectoryError) as error:
        message = f"The ScheduleExpressionTimezone {timezone} is not a time zone."
        raise InvalidExpression(message) from error
    except (ValueError, OverflowError) as error:
        raise InvalidExpression(f"Invalid Schedule Expression {expression}. {error}") from error


def check(expression: str, timezone: str = "UTC") -> None:
    """Refuse an expression that cannot be read, or whose next occurrence is beyond all dates.

    Raises
    ------
    InvalidExpression
        If it is such an expression.
    """
    now = datetime.now(UTC)
    try:
        parse(expression, timezone)(now, now)
    except OverflowError as error:
        message = f"Invalid Schedule Expression {expression}. It occurs after the year 9999 only."
        raise InvalidExpression(message) from error


def one_time(expression: str, timezone: str) -> datetime | None:
    """Return the moment of an `at(...)` expression; the other kinds have none."""
    if not expression.startswith("at("):
        return None
    beginning = datetime(1, 1, 2, tzinfo=UTC)
    return parse(expression, timezone)(beginning, beginning)


def _at(text: str, zone: ZoneInfo) -> Occurrences:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)

    def occurrence(since: datetime, after: datetime) -> datetime | None:
        # what was due a moment before it was asked for occurs at once
        return due if (due := max(moment, since)) > after else None

    return occurrence


def _rate(text: str, _: ZoneInfo) -> Occurrences:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", text)
    if match is None:
        raise ValueError("A rate is a positive number of minutes, hours or days.")
    period = timedelta(**{_UNITS[match[2]]: int(match[1])})

    def occurrence(since: datetime, after: datetime) -> datetime:
        return since if after < since else since + period * ((after - since) // period + 1)

    return occurrence


def _cron(text: str, zone: ZoneInfo) -> Occurrences:
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError("cron has six fields: minutes, hours, days, months, weekdays, years.")
    if (fields[2] == "?") == (fields[4] == "?"):
        raise ValueError("Exactly one of day-of-month and day-of-week is ?.")
    read = [_values(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays, years = read

    def matching_days(first: date) -> Iterator[date]:
        tried = islice((year for year in years if year >= first.year), _YEARS_TRIED)
        for year, month in product(tried, months):
            for number in range(1, monthrange(year, month)[1] + 1):
                day = date(year, month, number)
                if day >= first and number in days and day.isoweekday() % 7 + 1 in weekdays:
                    yield day

    def occurrence(since: datetime, after: datetime) -> datetime | None:
        after = max(after, since - _INSTANT)
        for day in matching_days(after.astimezone(zone).date()):
            for hour, minute in product(hours, minutes):
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                moment = local.astimezone(UTC)
                # a local time that the clocks skip does not occur
                if moment > after and moment.astimezone(zone).hour == hour:
                    return moment
        return None

    return occurrence


def _values(field: str, low: int, high: int, names: list[str]) -> list[int]:
    """Return what a field of a cron expression matches, ascending."""
    if re.fullmatch(r"(\d*|[A-Z]{3})[LW]+|.+#.+", field):
        raise ValueError(f"The embedded account does not model L, W and # in cron ({field}).")
    matched: set[int] = set()
    for part in field.split(","):
        span, stepped, step = part.partition("/")
        first, ranged, last = span.partition("-")
        start = low if first in ("*", "?") else _number(first, names)
        open_end = first in ("*", "?") or (stepped and not ranged)
        end = _number(last, names) if ranged else high if open_end else start
        if not low <= start <= end <= high or (stepped and not re.fullmatch(r"[1-9]\d*", step)):
            raise ValueError(f"{part} is not within {low}-{high}.")
        matched.update(range(start, end + 1, int(step or 1)))
    return sorted(matched)


def _number(text: str, names: list[str]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + 1
    if not text.isdecimal():
        raise ValueError(f"{text!r} is neither a number nor a name.")
    return int(text)
