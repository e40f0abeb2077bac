"""An execution of the code pipeline as it happens, the training run that it starts included."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING

from mlops.follow import state_lines
from mlops.pipeline_failures import RUN
from mlops.pipelines import watch
from mlops.runs import execution_history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, Group
    from rich.table import Table

    from mlops.history import History
    from mlops.pipeline_history import ActionExecution, PipelineExecution, PipelineHistory
    from mlops.target import Deployment

_STYLES = {"Succeeded": "green", "InProgress": "cyan", "Abandoned": "yellow"}
_MARKS = {"Succeeded": "✓", "InProgress": "•", "Abandoned": "!"}
_STATE_MARKS = {"succeeded": "✓", "running": "•", "failing": "!"}
_REMARK = 60


def follow(
    deployment: Deployment, execution: PipelineExecution, console: Console
) -> PipelineHistory:
    """Show an execution until it ends and return what it did."""
    seen = _watch(deployment, execution)
    return _follow_live(seen, console) if console.is_terminal else _follow_plainly(seen, console)


@dataclass(frozen=True)
class _Sight:
    """An execution, and the runs of its actions by their ARN."""

    history: PipelineHistory
    runs: dict[str, History]

    def run_of(self, action: ActionExecution) -> History | None:
        return self.runs.get(action.external_id) if action.provider == RUN else None


def _watch(deployment: Deployment, execution: PipelineExecution) -> Iterator[_Sight]:
    runs: dict[str, History] = {}
    for history in watch(deployment, execution.id):
        for action in history.actions:
            arn = action.external_id
            # a run that has ended is what it was
            if action.provider == RUN and arn and _goes_on(runs.get(arn)):
                runs[arn] = execution_history(deployment.target, arn)
        yield _Sight(history, runs)


def _goes_on(run: History | None) -> bool:
    return run is None or run.status == "RUNNING"


def title(execution: PipelineExecution) -> str:
    """Say which execution it is, and of which commit once that is known."""
    name = f"pipeline execution {execution.short_id} ({execution.trigger})"
    if not execution.commit:
        return name
    return f"commit {execution.short_commit} {_short(execution.message)} → {name}"


def _short(text: str) -> str:
    return shorten(text, _REMARK, placeholder=" …")


def _follow_live(sights: Iterator[_Sight], console: Console) -> PipelineHistory:
    from rich.live import Live

    with Live(console=console, refresh_per_second=8) as live:
        for sight in sights:
            live.update(_picture(sight, datetime.now(UTC)))
    return sight.history


def _picture(sight: _Sight, now: datetime) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    history, grid = sight.history, Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(style="dim")
    for action in history.actions:
        style = _STYLES.get(action.status, "red")
        name = Text(f"  {_MARKS.get(action.status, '✗')} {action.title}", style=style)
        grid.add_row(name, f"{action.seconds(now):5.1f} s", Text(_short(action.remark)))
        if run := sight.run_of(action):
            _add_states(grid, run, now)
    head = Text(title(history.execution), style="bold")
    status = history.execution.status
    foot = Text(f"  {status} {history.seconds(now):.1f} s", style="bold")
    return Group(head, grid, foot)


def _add_states(grid: Table, run: History, now: datetime) -> None:
    for line in state_lines(run, now):
        mark = _STATE_MARKS.get(line.status, "✗")
        grid.add_row(f"      {mark} {line.name}", f"{line.seconds:5.1f} s", line.error)


def _follow_plainly(sights: Iterator[_Sight], console: Console) -> PipelineHistory:
    told = _Told()
    for sight in sights:
        for line in told.lines_of(sight):
            console.print(line, soft_wrap=True, markup=False)
    end = sight.history
    console.print(f"  {end.execution.status} {end.seconds():.1f} s", markup=False)
    return end


@dataclass
class _Told:
    """What has been printed of an execution: each thing once, when it has ended."""

    titled: bool = False
    actions: set[str] = field(default_factory=set)
    visits: dict[str, int] = field(default_factory=dict)

    def lines_of(self, sight: _Sight) -> Iterator[str]:
        """Yield what is new."""
        execution = sight.history.execution
        # the commit belongs into the first line, and is known once the source has been read
        if not self.titled and (execution.commit or not execution.goes_on):
            self.titled = True
            yield title(execution)
        if not self.titled:
            return
        for action in sight.history.actions:
            run = sight.run_of(action)
            if run is not None:
                yield from self._states(action.external_id, run)
            if not action.goes_on and action.id not in self.actions:
                self.actions.add(action.id)
                yield _action_line(sight.history, action)

    def _states(self, arn: str, run: History) -> Iterator[str]:
        ended = [visit for visit in run.visits if visit.exited is not None]
        for visit in ended[self.visits.get(arn, 0) :]:
            seconds = visit.seconds(visit.entered)
            error = f"  {visit.error}" if visit.error else ""
            yield f"            · {visit.name:<22} {visit.status:<9} {seconds:6.1f} s{error}"
        self.visits[arn] = len(ended)


def _action_line(history: PipelineHistory, action: ActionExecution) -> str:
    since = (action.started - history.execution.started).total_seconds()
    took = action.seconds(action.updated)
    line = f"  {since:6.1f} s  {action.title:<24} {action.status:<9} {took:6.1f} s"
    return f"{line}  {_short(action.remark)}" if action.remark else line
