"""The pass over values: texts or Parquet columns to checked numbers and categories."""

from collections.abc import Mapping, Sequence

import polars as pl

from model_code.runtime.contract import Column
from model_code.runtime.violations import MAX_LISTED, Violation, refuse, shown


def check_values(
    columns: Sequence[Column],
    raw: Mapping[str, pl.Series],
    lines: Sequence[int] | None,
    names: Sequence[str],
    file: str,
) -> pl.DataFrame:
    """Convert each column to String or Float64, refusing every value that breaks its contract.

    Parameters
    ----------
    columns
        What is expected; the result has these columns in this order.
    raw
        The values as they were read.
    lines
        The line of each row in a text file; None for a format without lines.
    names
        The order of the columns in the file, for messages.
    file
        The file's name, for messages.

    Raises
    ------
    DataError
        With the first violations in the order of the rows.
    """
    table: dict[str, pl.Series] = {}
    broken: list[tuple[int, int, Column]] = []
    count = 0
    for column in columns:
        values = _converted(column, raw[column.name])
        rows = _broken_rows(column, values)
        count += len(rows)
        position = names.index(column.name) + 1
        broken += [(row, position, column) for row in rows[:MAX_LISTED]]
        table[column.name] = values
    if count:
        broken.sort(key=lambda entry: entry[:2])
        violations = [
            _violation(file, row, position, column, raw[column.name], lines)
            for row, position, column in broken[:MAX_LISTED]
        ]
        raise refuse(violations, count)
    return pl.DataFrame(table)


def _converted(column: Column, raw: pl.Series) -> pl.Series:
    target = pl.String() if column.type == "category" else pl.Float64()
    return raw.cast(target, strict=False)


def _broken_rows(column: Column, values: pl.Series) -> list[int]:
    if column.type == "category":
        accepted = values.is_in(list(column.categories))
    else:
        # The bounds are finite and NaN compares as greater than every number in polars, so they
        # refuse infinity and NaN too.
        accepted = (values >= column.minimum) & (values <= column.maximum)
        if column.type == "integer":
            accepted &= values == values.floor()
    return (~accepted.fill_null(False)).arg_true().to_list()


def _violation(
    file: str,
    row: int,
    position: int,
    column: Column,
    raw: pl.Series,
    lines: Sequence[int] | None,
) -> Violation:
    value = raw[row]
    found = "no value" if value is None or value == "" else shown(value)
    return Violation(
        file,
        found,
        column.expected,
        line=row + 1 if lines is None else lines[row],
        column=position,
        name=column.name,
        unit="row" if lines is None else "line",
    )
