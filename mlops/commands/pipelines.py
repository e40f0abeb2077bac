"""`mlops pipelines`: executions of the code pipeline, which makes images of commits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.render import Output, clock, number

if TYPE_CHECKING:
    from mlops.pipeline_failures import Failure
    from mlops.pipeline_history import PipelineExecution, PipelineHistory
    from mlops.target import Deployment

app = typer.Typer(no_args_is_help=True, help="Executions of the code pipeline.")
WHICH = "Its id, or the beginning of it."
ExecutionArgument = Annotated[
    str | None, typer.Argument(metavar="EXECUTION", help=f"{WHICH} Default: the newest.")
]
_MESSAGE = 50


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """List the newest executions first."""
    from mlops.pipelines import list_executions

    output = Output(as_json)
    executions = list_executions(connect(env, output), limit)
    if as_json:
        output.document([{**asdict(each), "seconds": each.seconds} for each in executions])
        return
    columns = ("execution", "status", "commit", "message", "trigger", "started", "seconds")
    rows = [
        (
            *(each.short_id, each.status, each.short_commit, each.message[:_MESSAGE] or "-"),
            *(each.trigger, clock(each.started), number(each.seconds, 1)),
        )
        for each in executions
    ]
    output.rows(columns, rows, empty="no executions yet; a push to the repository starts one")


@app.command()
def follow(
    execution: ExecutionArgument = None,
    commit: Annotated[
        str, typer.Option(help="A commit that was just pushed: waits for its execution.")
    ] = "",
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Follow an execution until it ends; exit code 1 if it did not succeed."""
    from mlops.pipelines import find_execution, require_commit, wait_for_commit

    if commit and execution is not None:
        raise typer.BadParameter("EXECUTION and --commit are two ways to name one: give one")
    if commit:
        require_commit(commit)
    output = Output(as_json)
    deployment = connect(env, output)
    found = wait_for_commit(deployment, commit) if commit else find_execution(deployment, execution)
    follow_to_the_end(output, deployment, found)


def follow_to_the_end(output: Output, deployment: Deployment, execution: PipelineExecution) -> None:
    """Show an execution until it ends, and why it failed if it did; raises then."""
    from mlops.pipeline_failures import find_failure, require_success
    from mlops.pipeline_follow import follow as follow_execution

    history = follow_execution(deployment, execution, output.console)
    failure = find_failure(deployment, history)
    if output.as_json:
        output.document(_document(history, failure))
    elif failure:
        for line in failure.log:
            output.note(f"  | {line}")
    require_success(deployment, history, failure)


@app.command()
def logs(
    execution: ExecutionArgument = None,
    stage: Annotated[
        str, typer.Option(metavar="STAGE", help="Default: the stage that failed, or the last.")
    ] = "",
    lines: Annotated[int, typer.Option(min=1, help="Default: all of them.")] = 10_000,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Print the log of a stage's build, or of what failed in the run that it started."""
    from mlops.pipeline_failures import action_log, action_with_log
    from mlops.pipelines import find_execution, read_history

    output = Output(as_json)
    deployment = connect(env, output)
    history = read_history(deployment, find_execution(deployment, execution).id)
    action = action_with_log(history, stage or None)
    log = action_log(deployment, action, lines)
    if as_json:
        output.document({"id": history.execution.id, "action": asdict(action), "log": log})
        return
    output.note(
        f"execution {history.execution.short_id} of commit {history.execution.short_commit}, "
        f"{action.title} {action.status}: {action.external_id}"
    )
    for line in log or ["(nothing was written)"]:
        output.note(line)


def _document(history: PipelineHistory, failure: Failure | None) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        **asdict(history.execution),
        "seconds": history.seconds(now),
        "actions": [{**asdict(each), "seconds": each.seconds(now)} for each in history.actions],
        "failure": asdict(failure) if failure else None,
    }
