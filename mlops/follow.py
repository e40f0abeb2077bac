"""A run as it happens: a live table on a terminal, one line per finished state elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops.errors import RunFailedError
from mlops.history import History, StateVisit, readable_cause
from mlops.logs import state_log
from mlops.project import command
from mlops.runs import Run, watch

if TYPE_CHECKING:
    from rich.console import Console, Group

    from mlops.target import Target

_STYLES = {"succeeded": "green", "running": "cyan", "failing": "yellow", "caught": "red"}
_MARKS = {"succeeded": "✓", "running": "•", "failing": "!", "caught": "✗", "failed": "✗"}
LOG_LINES = 20


@dataclass(frozen=True)
class StateLine:
    """A state as it is shown: all its visits in one line."""

    name: str
    status: str
    visits: int
    seconds: float
    error: str


def state_lines(history: History, now: datetime) -> list[StateLine]:
    """Sum up the visits of each state, in the order of the first visits."""
    by_name: dict[str, list[StateVisit]] = {}
    for visit in history.visits:
        by_name.setdefault(visit.name, []).append(visit)
    return [_state_line(visits, now) for visits in by_name.values()]


def _state_line(visits: list[StateVisit], now: datetime) -> StateLine:
    last = visits[-1]
    seconds = sum(each.seconds(now) for each in visits)
    return StateLine(last.name, last.status, len(visits), seconds, last.error or "")


def follow(target: Target, run: Run, console: Console) -> History:
    """Show a run until it ends and return its history."""
    title = f"{run.dataset} → execution {run.name}"
    if console.is_terminal:
        return _follow_live(target, run, console, title)
    return _follow_plainly(target, run, console, title)


def _follow_live(target: Target, run: Run, console: Console, title: str) -> History:
    from rich.live import Live

    history = History()
    with Live(console=console, refresh_per_second=8) as live:
        for history in watch(target, run.execution_arn):
            live.update(_picture(title, history, datetime.now(UTC)))
    return history


def _picture(title: str, history: History, now: datetime) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(style="dim")
    for line in state_lines(history, now):
        style = _STYLES.get(line.status, "red")
        name = Text(f"  {_MARKS.get(line.status, '✗')} {line.name}", style=style)
        grid.add_row(name, f"{line.seconds:5.1f} s", _remark(line))
    head = Text(title, style="bold")
    foot = Text(f"  {history.status} {history.seconds(now):.1f} s", style="bold")
    return Group(head, grid, foot)


def _remark(line: StateLine) -> str:
    visits = f"{line.visits} visits" if line.visits > 1 else ""
    return " ".join(part for part in (visits, line.error) if part)


def _follow_plainly(target: Target, run: Run, console: Console, title: str) -> History:
    console.print(title, soft_wrap=True, markup=False)
    history, shown = History(), 0
    for history in watch(target, run.execution_arn):
        finished = [visit for visit in history.visits if visit.exited is not None]
        for visit in finished[shown:]:
            console.print(_plain_line(history, visit), soft_wrap=True, markup=False)
        shown = len(finished)
    console.print(f"  {history.status} {history.seconds():.1f} s", markup=False)
    return history


def _plain_line(history: History, visit: StateVisit) -> str:
    since = (visit.entered - history.started).total_seconds() if history.started else 0.0
    took = visit.seconds(visit.entered)
    line = f"  {since:6.1f} s  {visit.name:<22} {visit.status:<9} {took:6.1f} s"
    return f"{line}  {visit.error}" if visit.error else line


def log_of_failure(target: Target, history: History) -> list[str]:
    """Return the last log lines of the job or Lambda whose state failed."""
    visit = history.failed_visit
    return state_log(target, visit, LOG_LINES) if visit else []


def require_success(env: str, run: Run, history: History) -> None:
    """Raise what a run failed of, with the state, the error and the cause.

    Raises
    ------
    RunFailedError
        If the execution ended other than SUCCEEDED.
    """
    if history.status == "SUCCEEDED":
        return
    visit = history.failed_visit
    where = f" in {visit.name}" if visit else ""
    cause = readable_cause(history.cause).rstrip(".") or "no cause given"
    raise RunFailedError(
        f"run {run.name} on {run.dataset} ended {history.status}{where}: "
        f"{history.error or 'no error name'}: {cause}. "
        f"See `{command(env, f'runs show {run.short_name}')}`."
    )
