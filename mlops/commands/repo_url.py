"""`mlops repo-url`: where git finds the model code."""

from __future__ import annotations

import sys

import typer

from mlops.commands.common import EnvOption
from mlops.errors import RequestError
from mlops.project import command, load_project
from mlops.target import Deployment, find_target


def repo_url(env: EnvOption = "dev") -> None:
    """Print the clone URL of the model code's repository, and nothing else on standard output."""
    from mlops.git import has_helper, how_to_sign_in

    target = find_target()
    deployment = Deployment(load_project(), env, target)
    url = deployment.clone_url
    if url is None:
        name = deployment.outputs("model-code").get("RepositoryName", "its repository")
        raise RequestError(
            f"the model code of {env} is in {name}, reached by {deployment.connection_arn}; this "
            "account has no clone URL of it. Clone it where it is hosted; "
            f"`{command(env, 'doctor')}` says whether the connection works."
        )
    typer.echo(url)
    if not has_helper(url):
        print(how_to_sign_in(target.embedded), file=sys.stderr)
