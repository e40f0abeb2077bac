"""What the commands share: their common options, and the account in their first line."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.project import load_project
from mlops.render import Output
from mlops.target import Deployment, find_target

EnvOption = Annotated[
    str, typer.Option("--env", help="Environment of the project's settings file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def connect(env: str, output: Output) -> Deployment:
    """Find the account that the AWS environment names and say which it is."""
    project, target = load_project(), find_target()
    output.note(str(target))
    return Deployment(project, env, target)
