"""`mlops runs`: executions of the training state machine."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.render import Output, clock, number

if TYPE_CHECKING:
    from mlops.history import History, StateVisit
    from mlops.runs import Run

app = typer.Typer(no_args_is_help=True, help="Executions of the training state machine.")
RunArgument = Annotated[
    str | None,
    typer.Argument(help="Its name, the beginning of it, or its ARN. Default: the newest."),
]


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """List the newest runs first."""
    from mlops.runs import list_runs

    output = Output(as_json)
    runs = list_runs(connect(env, output), limit)
    if as_json:
        output.document([{**asdict(run), "seconds": run.seconds} for run in runs])
        return
    output.rows(
        ("execution", "data set", "status", "outcome", "started", "seconds"),
        [
            (r.short_name, r.dataset, r.status, r.outcome, clock(r.started), number(r.seconds, 1))
            for r in runs
        ],
        empty="no runs yet; publish a data set to start one: `.venv/bin/mlops data publish FOLDER`",
    )


@app.command()
def show(run: RunArgument = None, env: EnvOption = "dev", as_json: JsonOption = False) -> None:
    """Show a run's states with their times, and why it failed if it did."""
    from mlops.follow import log_of_failure
    from mlops.history import readable_cause
    from mlops.runs import execution_history, find_run

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_run(deployment, run)
    history = execution_history(deployment.target, found.execution_arn)
    log = log_of_failure(deployment.target, history)
    if as_json:
        output.document(_document(found, history, log))
        return
    output.note(f"{found.dataset} → execution {found.name}")
    output.note(f"{history.status} {history.seconds():.1f} s, started {clock(found.started)}")
    output.rows(("state", "status", "start s", "seconds", "error"), _rows(history), "no states yet")
    if history.error:
        output.note(f"{history.error}: {readable_cause(history.cause)}")
    for line in log:
        output.note(f"  | {line}")


@app.command()
def follow(run: RunArgument = None, env: EnvOption = "dev", as_json: JsonOption = False) -> None:
    """Follow a run until it ends; exit code 1 if it did not succeed."""
    from mlops.follow import follow as follow_run
    from mlops.follow import log_of_failure, require_success
    from mlops.runs import describe_run, find_run

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_run(deployment, run)
    history = follow_run(deployment.target, found, output.console)
    if as_json:
        ended = describe_run(deployment.target, found.execution_arn)
        log = log_of_failure(deployment.target, history)
        output.document(_document(ended, history, log))
    require_success(found, history)


def _rows(history: History) -> list[tuple[str, ...]]:
    now = datetime.now(UTC)
    return [
        (
            visit.name,
            visit.status,
            number(_since_start(history, visit), 1),
            number(visit.seconds(now), 1),
            visit.error or "",
        )
        for visit in history.visits
    ]


def _since_start(history: History, visit: StateVisit) -> float:
    return (visit.entered - history.started).total_seconds() if history.started else 0.0


def _document(run: Run, history: History, log: list[str]) -> dict[str, Any]:
    now = datetime.now(UTC)
    states = [{**asdict(visit), "seconds": visit.seconds(now)} for visit in history.visits]
    return {
        **asdict(run),
        "seconds": history.seconds(now),
        "error": history.error,
        "cause": history.cause,
        "states": states,
        "log": log,
    }
