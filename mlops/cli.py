"""The `mlops` program: its groups of commands, and how an error becomes one line."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from mlops.commands import (
    account,
    base_image,
    cost,
    data,
    demo,
    deploy,
    doctor,
    pipeline_control,
    pipelines,
    predict,
    repo_url,
    run_control,
    runs,
    smoke,
    versions,
)
from mlops.errors import explain

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130


class Commands(TyperGroup):
    """Commands whose failures are one line on standard error, whatever went wrong."""

    def invoke(self, ctx: Any) -> Any:  # the class of a group's context is private to Typer
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (TyperException, typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as stop:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from stop
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {explain(error)}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="mlops",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Deploy the pipeline, feed it data and commits, and see what came of them. The account is "
    "the one that the AWS environment names: the embedded account or AWS.",
)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("smoke")(smoke.smoke)
app.add_typer(account.app, name="account")
app.command("deploy")(deploy.deploy)
app.command("destroy")(deploy.destroy)
app.add_typer(data.app, name="data")
app.command("repo-url")(repo_url.repo_url)
app.command("base-image")(base_image.base_image)
app.add_typer(pipelines.app, name="pipelines")
for act in (
    pipeline_control.start,
    pipeline_control.retry,
    pipeline_control.stop,
    pipeline_control.approve,
    pipeline_control.reject,
):
    pipelines.app.command()(act)
app.add_typer(runs.app, name="runs")
for each in (run_control.start, run_control.stop, run_control.retry, run_control.reproduce):
    runs.app.command()(each)
app.add_typer(versions.app, name="versions")
app.command("predict")(predict.predict)
app.command("cost")(cost.cost)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Take the options that hold for every command."""


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the program; a termination signal cleans up as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.exit(app())
