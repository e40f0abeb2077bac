"""`mlops runs`: executions of the training state machine."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.project import command
from mlops.render import Output, clock, number

if TYPE_CHECKING:
    from mlops.history import History
    from mlops.run_report import RunReport
    from mlops.runs import Run

app = typer.Typer(no_args_is_help=True, help="Executions of the training state machine.")
WHICH = "Its name, the beginning of it, or its ARN."
RunArgument = Annotated[str | None, typer.Argument(help=f"{WHICH} Default: the newest.")]


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
    columns = ("execution", "data set", "trigger", "status", "outcome", "started", "seconds")
    output.rows(
        columns,
        [
            (
                *(r.short_name, r.dataset, r.trigger, r.status, r.outcome),
                *(clock(r.started), number(r.seconds, 1)),
            )
            for r in runs
        ],
        empty="no runs yet; publish a data set to start one: "
        f"`{command(env, 'data publish FOLDER')}`",
    )


@app.command()
def show(run: RunArgument = None, env: EnvOption = "dev", as_json: JsonOption = False) -> None:
    """Show a run's states, why it failed if it did, what it left, and where to look further."""
    from mlops.run_report import report
    from mlops.runs import find_run

    output = Output(as_json)
    deployment = connect(env, output)
    found = report(deployment, find_run(deployment, run))
    if as_json:
        output.document(_report_document(found))
        return
    _print_report(output, found)


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
    require_success(env, found, history)


@app.command()
def logs(
    run: RunArgument = None,
    state: Annotated[
        str, typer.Option(metavar="STATE", help="Default: the state that failed, or the last job.")
    ] = "",
    lines: Annotated[int, typer.Option(min=1, help="Default: all of them.")] = 10_000,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Print the log of one of a run's jobs or Lambdas."""
    from mlops.logs import state_log, visit_with_log
    from mlops.runs import execution_history, find_run

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_run(deployment, run)
    history = execution_history(deployment.target, found.execution_arn)
    visit = visit_with_log(history, state or None)
    log = state_log(deployment.target, visit, lines)
    if as_json:
        output.document({"execution_arn": found.execution_arn, "state": visit.name, "log": log})
        return
    output.note(f"{found.dataset} → execution {found.name}, state {visit.name} {visit.status}")
    for line in log or ["(nothing was written)"]:
        output.note(line)


def _print_report(output: Output, found: RunReport) -> None:
    from mlops.history import readable_cause
    from mlops.run_report import describe_ending

    run, history = found.run, found.history
    output.note(f"{run.dataset} → execution {run.name} (trigger {run.trigger})")
    output.note(f"{history.status} {history.seconds():.1f} s, started {clock(run.started)}")
    columns = ("state", "status", "start s", "seconds", "visits", "error")
    output.rows(columns, _rows(history), "no states yet")
    if found.staging:
        wait = found.staging
        output.note(f"waited {wait.seconds:.0f} s for staging, held by {wait.holder}")
    if history.error:
        output.note(f"{history.error}: {readable_cause(history.cause)}")
    for line in found.log:
        output.note(f"  | {line}")
    if found.registered:
        known = found.registered
        remark = f" ({known.remark})" if known.remark else ""
        output.note(f"version {known.number} {known.approval_status}{remark}")
    if ending := describe_ending(found):
        output.note(ending)
    for what, link in found.links.items():
        output.note(f"{what}: {link}")


def _rows(history: History) -> list[tuple[str, ...]]:
    from mlops.follow import state_lines

    now = datetime.now(UTC)
    first = {visit.name: visit for visit in reversed(history.visits)}
    began = history.started or now
    return [
        (
            line.name,
            line.status,
            number((first[line.name].entered - began).total_seconds(), 1),
            number(line.seconds, 1),
            str(line.visits),
            line.error,
        )
        for line in state_lines(history, now)
    ]


def _report_document(found: RunReport) -> dict[str, Any]:
    parts = {name: getattr(found, name) for name in ("staging", "registered", "ending")}
    known = {name: asdict(part) if part else None for name, part in parts.items()}
    return {**_document(found.run, found.history, found.log), **known, "links": found.links}


def _document(run: Run, history: History, log: list[str]) -> dict[str, Any]:
    now = datetime.now(UTC)
    states = [{**asdict(visit), "seconds": visit.seconds(now)} for visit in history.visits]
    for state in states:
        del state["context"]
    return {
        **asdict(run),
        "seconds": history.seconds(now),
        "error": history.error,
        "cause": history.cause,
        "states": states,
        "log": log,
    }
