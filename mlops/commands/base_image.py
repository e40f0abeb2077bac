"""`mlops base-image`: which system the images of the model code are built on."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.base_image import DEFAULT_NAME, LOCK, pin, write_lock
from mlops.commands.common import JsonOption
from mlops.project import load_project
from mlops.render import Output


def base_image(
    name: Annotated[
        str,
        typer.Argument(help="An image with Debian and Python 3.11 or newer, by tag or digest."),
    ] = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Resolve an image's tag to its digest, and write it where builds read it."""
    output, project = Output(as_json), load_project()
    pinned = pin(name)
    changed = write_lock(project.root / LOCK, pinned)
    if as_json:
        output.document({"image": pinned, "file": LOCK, "changed": changed})
    output.note(f"{LOCK}: {pinned}{'' if changed else ' (as before)'}")
    if changed:
        output.note(f"builds use it once {LOCK} is committed to the repository of the model code")
