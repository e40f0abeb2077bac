"""`mlops runs start`, `stop`, `retry` and `reproduce`: what acts on runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, YesOption, connect
from mlops.commands.runs import WHICH
from mlops.project import command
from mlops.render import Output

if TYPE_CHECKING:
    from mlops.runs import Run
    from mlops.target import Deployment

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help=WHICH)]
FollowOption = Annotated[bool, typer.Option("--follow", help="Follow the run until it ends.")]
AFTER_THE_END = (
    "RunEnded stops its jobs, rejects the version that it registered, gives staging back to the "
    "config that served before and sends one notification; `{}` says when that is done"
)


def start(
    dataset: Annotated[str, typer.Option(help="Data set version in the bucket, such as v1.0.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Hyperparameter; may be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Train although this content has a version.")
    ] = False,
    follow: FollowOption = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Start a run on a data set version that is in the bucket."""
    from mlops.executions import parse_hyperparameters, start_run

    output = Output(as_json)
    hyperparameters = parse_hyperparameters(settings or [])
    deployment = connect(env, output)
    run = start_run(deployment, dataset, hyperparameters, again)
    _started(output, deployment, run, follow)


def retry(
    run: RunArgument,
    follow: FollowOption = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Start a run that did not succeed anew, as the next attempt of the same content."""
    from mlops.executions import retry_run
    from mlops.runs import find_run

    output = Output(as_json)
    deployment = connect(env, output)
    _started(output, deployment, retry_run(deployment, find_run(deployment, run)), follow)


def stop(
    run: RunArgument,
    reason: Annotated[
        str, typer.Option(help="Is written on the execution as its cause.")
    ] = "stopped with `mlops runs stop`",
    yes: YesOption = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Stop a run that goes on; returns when it has ended."""
    from mlops.executions import stop_run
    from mlops.runs import find_run

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_run(deployment, run)
    if not yes and found.stopped is None:
        typer.confirm(f"Stop run {found.name} on {found.dataset}?", abort=True, err=as_json)
    ended = stop_run(deployment, found, reason)
    if as_json:
        output.document({**asdict(ended), "seconds": ended.seconds})
    output.note(f"run {ended.name} ended {ended.status}")
    output.note(AFTER_THE_END.format(command(env, f"runs show {ended.short_name}")))


def reproduce(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option(help="Default: build/reproduce/<run> in the project.")
    ] = None,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Do a run's training again on this machine; exit code 1 if another model comes out."""
    from mlops.reproduce import reproduce as reproduce_run
    from mlops.runs import find_run

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_run(deployment, run)
    folder = out or deployment.project.root / "build" / "reproduce" / found.name
    result = reproduce_run(deployment, found, folder.resolve(), output.note)
    if as_json:
        output.document(asdict(result))
    for line in result.lines():
        output.note(line)
    if not result.equal:
        raise typer.Exit(1)


def _started(output: Output, deployment: Deployment, run: Run, follow: bool) -> None:
    from mlops.follow import follow as follow_run
    from mlops.follow import log_of_failure, require_success
    from mlops.runs import describe_run

    if output.as_json and not follow:
        output.document(asdict(run))
    output.note(f"started execution {run.name} on {run.dataset}")
    if not follow:
        output.note(f"see it: `{command(deployment.env, f'runs follow {run.short_name}')}`")
        return
    history = follow_run(deployment.target, run, output.console)
    ended = describe_run(deployment.target, run.execution_arn)
    if output.as_json:
        output.document(asdict(ended))
    for line in log_of_failure(deployment.target, history):
        output.note(f"  | {line}")
    require_success(deployment.env, run, history)
    if ended.outcome == "Duplicate":
        other = history.context.get("run", {}).get("duplicate_of") or "another execution"
        output.note(
            f"Duplicate: {other} has registered, or is making, a version of the same data, images "
            "and hyperparameters, so nothing was trained; --again trains it all the same"
        )
