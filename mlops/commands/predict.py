"""`mlops predict`: predictions for raw rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.errors import DataSetError
from mlops.render import Output


def predict(
    rows: Annotated[
        list[str] | None, typer.Argument(help="Rows as in the data set, without the label.")
    ] = None,
    file: Annotated[
        str, typer.Option("--file", "-f", help="File of rows; - is standard input.")
    ] = "",
    endpoint: Annotated[str, typer.Option(help="Default: the staging endpoint.")] = "",
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Send rows to an endpoint and print one prediction for each."""
    from mlops.predictions import predict as invoke

    asked = read_rows(rows or [], file)
    output = Output(as_json)
    deployment = connect(env, output)
    name = endpoint or deployment.endpoint_name
    predictions = invoke(deployment, name, asked)
    pairs = list(zip(asked, predictions, strict=True))
    if as_json:
        listed = [{"row": row, "prediction": prediction} for row, prediction in pairs]
        output.document({"endpoint": name, "predictions": listed})
        return
    output.note(f"endpoint {name}")
    output.rows(("row", "prediction"), [(row, f"{value:.4g}") for row, value in pairs], "no rows")


def read_rows(rows: list[str], file: str) -> list[str]:
    """Take rows from the command line or a file.

    Raises
    ------
    DataSetError
        If there is none, or they come from both.
    """
    if bool(rows) == bool(file):
        raise DataSetError("expected rows as arguments or --file FILE (- for standard input).")
    text = "\n".join(rows) if rows else _text(file)
    found = [line for line in text.splitlines() if line.strip()]
    if not found:
        raise DataSetError(f"{file or 'the arguments'}: 0 rows; expected at least one.")
    return found


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataSetError(f"{file} is not UTF-8: {error}. Convert it.") from error
