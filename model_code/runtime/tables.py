"""Reading rows: one reader for validation, training, evaluation and serving."""

import io
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from model_code.runtime.contract import Column, Contract
from model_code.runtime.csv_rows import parse_csv
from model_code.runtime.errors import JobInputError
from model_code.runtime.values import check_values
from model_code.runtime.violations import Violation, refuse, shown

FORMATS = {".csv": "CSV", ".parquet": "Parquet"}


def read_rows(contract: Contract, data: bytes, source: str) -> pl.DataFrame:
    """Read CSV rows with their label."""
    return _read_csv(contract.columns, data, source)


def read_features(contract: Contract, data: bytes, source: str) -> pl.DataFrame:
    """Read CSV rows that leave the label out, as prediction requests do."""
    return _read_csv(contract.features, data, source)


def read_file(contract: Contract, path: Path, source: str) -> pl.DataFrame:
    """Read a CSV or Parquet file, by its suffix.

    Parameters
    ----------
    contract
        What the rows must be.
    path
        The file.
    source
        What messages call the file.

    Raises
    ------
    DataError
        If the file or one of its rows breaks the contract.
    """
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return _read_parquet(contract.columns, data, source)
    return _read_csv(contract.columns, data, source)


def list_files(folder: Path, split: str) -> list[Path]:
    """List a channel's files in the order in which they are read.

    Raises
    ------
    JobInputError
        If the channel has none, or files of an unknown or of different formats.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise JobInputError(
            f"Channel '{split}' has 0 files in {folder}; expected at least 1 CSV or Parquet file. "
            "Check the job's inputs."
        )
    unknown = [path for path in files if path.suffix not in FORMATS]
    if unknown:
        raise JobInputError(
            f"Channel '{split}' has the file {shown(unknown[0].relative_to(folder))}; expected "
            "only .csv or only .parquet. Remove or rename it."
        )
    if len({path.suffix for path in files}) > 1:
        raise JobInputError(
            f"Channel '{split}' has CSV and Parquet files in {folder}; expected one format."
        )
    return files


def read_split(contract: Contract, folder: Path, split: str) -> pl.DataFrame:
    """Read all rows of a channel; ``split`` names it in messages and in the minimum of rows."""
    files = list_files(folder, split)
    return concatenate(
        contract,
        split,
        (read_file(contract, path, f"{split}/{path.relative_to(folder)}") for path in files),
    )


def concatenate(contract: Contract, split: str, tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join the tables of a split, refusing fewer rows than the contract asks for."""
    table = pl.concat(tables)
    minimum = contract.minimum_rows.get(split, 1)
    if table.height < minimum:
        raise refuse([Violation(f"{split}/", f"{table.height} rows", f"at least {minimum}")])
    return table


def _read_csv(columns: tuple[Column, ...], data: bytes, source: str) -> pl.DataFrame:
    parsed = parse_csv(data, [column.name for column in columns], source)
    raw = {
        column.name: pl.Series(column.name, parsed.column(column.name), dtype=pl.String)
        for column in columns
    }
    return check_values(columns, raw, parsed.lines, parsed.names, source)


def _read_parquet(columns: tuple[Column, ...], data: bytes, source: str) -> pl.DataFrame:
    try:
        table = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        found = f"unreadable Parquet data ({shown(str(error).splitlines()[0])})"
        raise refuse([Violation(source, found, "a Parquet file")]) from error
    names = [column.name for column in columns]
    if sorted(table.columns) != sorted(names):
        found = f"the columns {shown(','.join(table.columns))}"
        raise refuse([Violation(source, found, f"exactly the columns {','.join(names)}")])
    if not table.height:
        raise refuse([Violation(source, "no rows", "at least 1")])
    _check_types(columns, table, source)
    raw = {name: table[name] for name in names}
    return check_values(columns, raw, None, table.columns, source)


def _check_types(columns: tuple[Column, ...], table: pl.DataFrame, source: str) -> None:
    wrong = []
    for position, name in enumerate(table.columns, start=1):
        column = next(column for column in columns if column.name == name)
        found = table.schema[name]
        if column.type == "category":
            accepted, expected = found in (pl.String, pl.Categorical, pl.Enum), "texts"
        else:
            accepted, expected = found.is_numeric(), "numbers"
        if not accepted:
            wrong.append(Violation(source, f"type {found}", expected, column=position, name=name))
    if wrong:
        raise refuse(wrong)
