"""`mlops versions`: the model's versions in the registry."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.project import command
from mlops.render import Output

app = typer.Typer(no_args_is_help=True, help="The model's versions in the registry.")


@app.callback()
def group() -> None:
    """Keep `list` a command of its own group."""


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """List the versions with their metrics, gate and approval."""
    from mlops.versions import list_versions, versions_table

    output = Output(as_json)
    versions = list_versions(connect(env, output), limit)
    if as_json:
        output.document([asdict(version) for version in versions])
        return
    empty = f"no versions yet; a run registers one: see `{command(env, 'runs list')}`"
    output.rows(*versions_table(versions), empty)
