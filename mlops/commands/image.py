"""`mlops image`: the container images of the model code."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.render import Output

app = typer.Typer(no_args_is_help=True, help="The container images of the model code.")


@app.callback()
def group() -> None:
    """Keep `push` a command of its own group."""


BaseImageOption = Annotated[
    str,
    typer.Option(
        metavar="IMAGE@DIGEST",
        help="The Dockerfile's base image, needed on AWS: Debian with Python 3.11 or newer.",
    ),
]


@app.command()
def push(
    env: EnvOption = "dev", base_image: BaseImageOption = "", as_json: JsonOption = False
) -> None:
    """Build the images of the model code and push them; runs use the newest pair."""
    from mlops.images import push_images

    output = Output(as_json)
    images = push_images(connect(env, output), output.note, base_image)
    if as_json:
        output.document(images)
