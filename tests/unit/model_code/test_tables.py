"""What the one reader of rows accepts, refuses and says."""

import gzip
import io
import os
from pathlib import Path

import polars as pl
import pytest

from model_code.runtime.contract import Contract
from model_code.runtime.errors import DataError, JobInputError
from model_code.runtime.tables import read_features, read_file, read_rows, read_split

NAMES = "sex,length,diameter,height,whole_weight,shucked_weight,viscera_weight,shell_weight,rings"
ROW = "M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15,15"
INFANT = "I,0.33,0.255,0.08,0.205,0.0895,0.0395,0.055,7"
TWO_ROWS = f"{ROW}\n{INFANT}\n".encode()


def refusal(contract: Contract, content: bytes | str) -> str:
    data = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(DataError) as caught:
        read_rows(contract, data, "train/train.csv")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 5_000
    return message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TWO_ROWS, id="no header"),
        pytest.param(TWO_ROWS.rstrip(), id="no newline at the end"),
        pytest.param(TWO_ROWS + b"\n\n", id="blank lines at the end"),
        pytest.param(f"{NAMES}\n".encode() + TWO_ROWS, id="header"),
        pytest.param(b"\xef\xbb\xbf" + TWO_ROWS, id="byte order mark"),
        pytest.param(b"\xef\xbb\xbf" + f"{NAMES}\n".encode() + TWO_ROWS, id="mark and header"),
        pytest.param(TWO_ROWS.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(TWO_ROWS.replace(b"M,", b'"M",'), id="quoted"),
    ],
)
def test_well_formed_csv_gives_the_same_rows(contract: Contract, content: bytes) -> None:
    table = read_rows(contract, content, "rows.csv")
    assert table.columns == NAMES.split(",")
    assert table.rows()[0] == ("M", 0.455, 0.365, 0.095, 0.514, 0.2245, 0.101, 0.15, 15.0)
    assert table.height == 2


def test_a_header_in_another_order_reorders_the_values(contract: Contract) -> None:
    names, values = NAMES.split(","), ROW.split(",")
    content = ",".join(reversed(names)) + "\r\n" + ",".join(reversed(values)) + "\r\n"
    expected = read_rows(contract, ROW.encode(), "rows.csv")
    assert read_rows(contract, content.encode(), "rows.csv").equals(expected)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ROW.replace("0.455", "abc"), "column 2 (length): found 'abc', expected a number between"),
        (ROW.replace("0.455", ""), "column 2 (length): found no value"),
        (ROW.replace("0.455", "NaN"), "column 2 (length): found 'NaN'"),
        (ROW.replace("0.455", "inf"), "column 2 (length): found 'inf'"),
        (ROW.replace("0.455", "1e400"), "column 2 (length): found '1e400'"),
        (ROW.replace("0.455", "true"), "column 2 (length): found 'true'"),
        (ROW.replace("0.455", "1,455"), "found 10 values, expected 9 values"),
        (ROW.replace("0.455", "=1+1"), "column 2 (length): found '=1+1'"),
        (ROW.replace("0.455", "-0.1"), "column 2 (length): found '-0.1'"),
        (ROW.replace("0.455", "1.01"), "expected a number between 0 and 1"),
        (ROW.replace("M", "X"), "column 1 (sex): found 'X', expected one of F, I, M"),
        (ROW.replace("M", "m"), "column 1 (sex): found 'm'"),
        (ROW.replace("M", ""), "column 1 (sex): found no value"),
        (ROW[:-2], "column 9 (rings): found no value, expected a whole number between 1 and 40"),
        (ROW[:-3], "found 8 values, expected 9 values"),
        (ROW.replace(",15", ",15.5"), "column 9 (rings): found '15.5', expected a whole number"),
        (ROW.replace(",15", ",0"), "column 9 (rings): found '0'"),
        (ROW + ",1", "found 10 values, expected 9 values"),
        (ROW.replace(",", ";"), "found values separated by semicolons"),
        (ROW.replace(",", "\t"), "found values separated by tabs"),
        ("", "found a blank line"),
        ('"M"x' + ROW[1:], "broken quoting"),
    ],
)
def test_a_broken_row_is_refused_with_line_and_column(
    contract: Contract, row: str, expected: str
) -> None:
    message = refusal(contract, f"{ROW}\n{row}\n{INFANT}\n")
    assert "train/train.csv line 2" in message
    assert expected in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "found an empty file"),
        (b"\n\n", "found no rows"),
        (f"{NAMES}\n", "found a header and no rows"),
        (gzip.compress(TWO_ROWS, mtime=0), "found gzip data"),
        (b"PAR1" + bytes(8), "found Parquet data"),
        (f"{ROW}\n".encode("utf-16"), "found UTF-16 text"),
        (b"<!DOCTYPE html><html></html>", "line 1: found an HTML or XML page"),
        (TWO_ROWS + b"M,0.4\xe9", "line 3 column 2: found the byte 0xe9, expected text in UTF-8"),
        (TWO_ROWS + b"M," + b"9" * 10_000_000, "line 3: found 10000002 bytes, expected at most"),
        (NAMES.upper() + f"\n{ROW}\n", "line 1: found the header"),
        (NAMES.replace(",rings", "") + f"\n{ROW}\n", "found the header"),
        (f'{ROW}\n"{ROW}\n{INFANT}\n', "broken quoting"),
        (b"M\x00" + ROW[1:].encode(), "column 1 (sex)"),
    ],
)
def test_what_is_no_csv_of_the_contract_is_refused(
    contract: Contract, content: bytes | str, expected: str
) -> None:
    assert expected in refusal(contract, content)


def test_the_first_violations_are_listed_in_the_order_of_the_lines_and_all_are_counted(
    contract: Contract,
) -> None:
    content = "\n".join([ROW.replace("0.15,", "9,"), *[ROW.replace("M", "X")] * 30])
    message = refusal(contract, content)
    assert message.startswith("31 contract violations: train/train.csv line 1 column 8")
    assert message.count("found") == 10


def test_violations_after_a_header_keep_the_line_and_column_of_the_file(contract: Contract) -> None:
    header = ",".join(reversed(NAMES.split(",")))
    row = ",".join(reversed(ROW.replace("M", "X").split(",")))
    assert "line 2 column 9 (sex)" in refusal(contract, f"{header}\n{row}\n")


def test_rows_of_a_prediction_leave_the_label_out(contract: Contract) -> None:
    features = ROW.rpartition(",")[0]
    table = read_features(contract, features.encode(), "request")
    assert table.columns == NAMES.split(",")[:-1]
    with pytest.raises(DataError, match="found 9 values, expected 8 values"):
        read_features(contract, ROW.encode(), "request")


@pytest.fixture
def parquet_table(contract: Contract) -> pl.DataFrame:
    return read_rows(contract, TWO_ROWS, "rows.csv")


def read_parquet(contract: Contract, table: pl.DataFrame, folder: Path) -> pl.DataFrame:
    table.write_parquet(folder / "rows.parquet")
    return read_file(contract, folder / "rows.parquet", "train/rows.parquet")


def test_parquet_gives_the_same_rows_as_csv(
    contract: Contract, parquet_table: pl.DataFrame, tmp_path: Path
) -> None:
    shuffled = parquet_table.select(reversed(parquet_table.columns)).with_columns(
        pl.col("rings").cast(pl.Int16), pl.col("sex").cast(pl.Categorical)
    )
    assert read_parquet(contract, shuffled, tmp_path).equals(parquet_table)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (pl.lit(None, pl.Float64).alias("length"), "row 1 column 2 (length): found no value"),
        (pl.lit(float("nan")).alias("length"), "row 1 column 2 (length): found 'nan'"),
        (pl.lit("0.5").alias("length"), "column 2 (length): found type String, expected numbers"),
        (pl.lit(True).alias("length"), "column 2 (length): found type Boolean, expected numbers"),
        (pl.lit(1).alias("sex"), "column 1 (sex): found type Int32, expected texts"),
        (pl.lit("X").alias("sex"), "row 1 column 1 (sex): found 'X'"),
        (pl.lit(1).alias("size"), "found the columns"),
    ],
)
def test_parquet_that_breaks_the_contract_is_refused(
    contract: Contract, parquet_table: pl.DataFrame, tmp_path: Path, change: pl.Expr, expected: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_parquet(contract, parquet_table.with_columns(change), tmp_path)
    assert "train/rows.parquet" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize("content", [b"", TWO_ROWS, b"PAR1" + bytes(40) + b"PAR1"])
def test_what_is_no_parquet_is_refused(contract: Contract, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(DataError, match="unreadable Parquet data"):
        read_file(contract, tmp_path / "rows.parquet", "train/rows.parquet")


def test_parquet_without_rows_is_refused(
    contract: Contract, parquet_table: pl.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="found no rows, expected at least 1"):
        read_parquet(contract, parquet_table.clear(), tmp_path)


def test_a_channel_is_read_in_the_order_of_its_file_names(
    contract: Contract, tmp_path: Path
) -> None:
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "b.csv").write_bytes(f"{INFANT}\n".encode() * 60)
    (tmp_path / "a.csv").write_bytes(f"{ROW}\n".encode() * 60)
    table = read_split(contract, tmp_path, "train")
    assert table["sex"].to_list() == ["M"] * 60 + ["I"] * 60


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], "Channel 'train' has 0 files"),
        (["a.csv", "b.parquet"], "Channel 'train' has CSV and Parquet files"),
        (["a.csv", "notes.txt"], "Channel 'train' has the file 'notes.txt'"),
    ],
)
def test_a_channel_without_one_known_format_is_refused(
    contract: Contract, tmp_path: Path, files: list[str], expected: str
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(TWO_ROWS)
    with pytest.raises(JobInputError, match=expected):
        read_split(contract, tmp_path, "train")


def test_a_channel_with_too_few_rows_is_refused(contract: Contract, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TWO_ROWS)
    with pytest.raises(DataError, match="train/: found 2 rows, expected at least 100"):
        read_split(contract, tmp_path, "train")


def test_the_contract_accepts_every_row_of_the_published_data(contract: Contract) -> None:
    path = os.environ.get("ABALONE_DATA")
    if not path:
        pytest.skip("$ABALONE_DATA names no copy of the published data")
    assert read_rows(contract, Path(path).read_bytes(), "published").height == 4177


def test_written_csv_reads_back_as_the_same_values(
    contract: Contract, parquet_table: pl.DataFrame
) -> None:
    text = io.BytesIO()
    parquet_table.write_csv(text, include_header=False)
    assert read_rows(contract, text.getvalue(), "again.csv").equals(parquet_table)
