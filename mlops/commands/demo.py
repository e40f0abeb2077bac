"""`mlops demo`: the whole story in an embedded account."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.commands.common import EnvOption
from mlops.project import load_project
from mlops.render import Output


def demo(
    env: EnvOption = "dev",
    keep: Annotated[
        bool, typer.Option("--keep", envvar="KEEP", help="Leave the account running.")
    ] = False,
) -> None:
    """Deploy into an embedded account, commit and train four versions, serve and test them."""
    from mlops.demo import run_demo

    run_demo(load_project(), env, Output(), keep)
