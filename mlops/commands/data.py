"""`mlops data`: data set versions on this machine and in the account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.project import command, load_project
from mlops.render import Output

app = typer.Typer(no_args_is_help=True, help="Data set versions: build and publish them.")


@app.command()
def build(
    out: Annotated[Path | None, typer.Option(help="Default: build/data in the project.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the project's data set versions, ready to be published."""
    from mlops import datasets

    output = Output(as_json)
    versions = datasets.build(out or load_project().root / "build" / "data")
    for note in sorted({version.note for version in versions}):
        output.note(note)
    if as_json:
        output.document([vars(version) for version in versions])
        return
    output.rows(
        ("version", "train rows", "validation rows", "digest", "folder"),
        [
            (v.name, str(v.train_rows), str(v.validation_rows), v.digest[7:19], str(v.folder))
            for v in versions
        ],
        empty="no versions",
    )


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Holds train/ and validation/.")],
    version: Annotated[str, typer.Option(help="Default: the folder's name.")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Follow the run it starts.")] = False,
    env: EnvOption = "dev",
) -> None:
    """Upload a data set version, its manifest last: the manifest's arrival starts a run."""
    from mlops import datasets
    from mlops.follow import follow as follow_run
    from mlops.follow import require_success
    from mlops.images import images_in_use
    from mlops.runs import wait_for_run

    output = Output()
    deployment = connect(env, output)
    dataset = datasets.read_data_set(folder, version or folder.resolve().name)
    # looked at before: of an image that arrives meanwhile nobody knows whether the upload saw it
    waits = images_in_use(deployment) is None
    version_id = datasets.publish(deployment, dataset, output.note)
    if waits:
        output.note(
            f"{dataset.version} waits: {deployment.image_parameter} names no image yet, so nothing "
            "is trained before the pipeline has built the first one: "
            f"`{command(env, 'pipelines follow')}`"
        )
        return
    run = wait_for_run(deployment, dataset.version, version_id)
    output.note(f"started execution {run.name}")
    if follow:
        history = follow_run(deployment.target, run, output.console)
        require_success(env, run, history)
