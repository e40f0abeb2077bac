"""Rows to features: the one encoding that training, evaluation and serving share."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from model_code.runtime.contract import Contract

FloatArray = npt.NDArray[np.float32]


def feature_names(contract: Contract) -> tuple[str, ...]:
    """Name the encoded columns in order: ``sex=M`` for a category, else the column's name."""
    return tuple(name for name, _ in _encoded_columns(contract))


def encode(contract: Contract, table: pl.DataFrame) -> FloatArray:
    """Encode checked rows.

    Parameters
    ----------
    contract
        The contract that the rows were checked against.
    table
        Columns of String and Float64; a label is left aside.

    Returns
    -------
    FloatArray
        (n_rows, n_features) float32, the columns as `feature_names` gives them; categories are
        one-hot, so that no order between them is made up.
    """
    expressions = [expression for _, expression in _encoded_columns(contract)]
    columns = table.select(expressions)
    matrix = np.empty((table.height, len(expressions)), dtype=np.float32)
    for position, series in enumerate(columns):
        matrix[:, position] = series.to_numpy()
    return matrix


def labels(contract: Contract, table: pl.DataFrame) -> FloatArray:
    """Return the label of each row, (n_rows,) float32."""
    return table[contract.label].cast(pl.Float32).to_numpy()


def _encoded_columns(contract: Contract) -> Iterator[tuple[str, pl.Expr]]:
    for column in contract.features:
        if column.type != "category":
            yield column.name, pl.col(column.name).cast(pl.Float32)
        for category in column.categories:
            name = f"{column.name}={category}"
            yield name, (pl.col(column.name) == category).cast(pl.Float32).alias(name)
