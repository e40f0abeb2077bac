"""`mlops account`: the embedded account on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.account import AccountFolder
from mlops.commands.common import JsonOption
from mlops.project import load_project
from mlops.render import Output

app = typer.Typer(no_args_is_help=True, help="The embedded account on this machine.")
USE_IT = 'eval "$(.venv/bin/mlops account env)"'


@app.command()
def start(
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until Ctrl-C instead of returning.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Default: a free port.")] = 0,
) -> None:
    """Start the account; returns when it is ready. Its state lives as long as it runs."""
    folder, output = AccountFolder(load_project()), Output()
    if folder.left_behind():
        output.note("the last embedded account ended without cleaning up; its state is gone")
    if foreground:
        output.note(f"use it from another terminal: {USE_IT}")
        folder.become_account(port)
    account = folder.start(port)
    output.note(f"embedded account {account.account_id} {account.region} {account.url}")
    output.note(f"use it: {USE_IT}")


@app.command()
def stop() -> None:
    """Stop the account and everything that it started."""
    folder = AccountFolder(load_project())
    account = folder.stop()
    where = f"in {folder.project.home}"
    Output().note(f"stopped {account.url}" if account else f"no embedded account runs {where}")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Say whether the account runs; the exit code is 3 where it does not."""
    folder, output = AccountFolder(load_project()), Output(as_json)
    account = folder.running()
    if as_json:
        known = {"url": account.url, "account_id": account.account_id} if account else {}
        pid = {"pid": account.pid, "region": account.region} if account else {}
        output.document({"running": account is not None, **known, **pid})
    elif account:
        output.note(f"embedded account {account.account_id} {account.region} {account.url}")
        log = f", log {folder.log}" if folder.log.exists() else " in the foreground"
        output.note(f"process {account.pid}{log}")
    else:
        gone = "; the last one ended without cleaning up" if folder.left_behind() else ""
        output.note(f"no embedded account runs in {folder.project.home}{gone}")
    if account is None:
        raise typer.Exit(3)


@app.command()
def env() -> None:
    """Print the AWS variables for `eval` in a shell."""
    for line in AccountFolder(load_project()).require_running().shell_lines():
        print(line)
