"""The structural pass over CSV: bytes to rows of the right width, before any value is looked at."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from model_code.runtime.violations import Violation, refuse, shown

MAX_LINE_BYTES = 64 * 1024
_SIGNATURES = {
    b"\x1f\x8b": "gzip data",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "Parquet data",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_OTHER_TEXTS = {"<": "an HTML or XML page", "{": "JSON", "[": "JSON"}
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class CsvRows:
    """Rows as texts; ``names`` is the order of the columns in this file."""

    names: tuple[str, ...]
    lines: list[int]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return one column's texts, wherever it stands in this file."""
        position = self.names.index(name)
        return [row[position] for row in self.rows]


def parse_csv(data: bytes, names: Sequence[str], file: str) -> CsvRows:
    """Split CSV into rows; a header with exactly these names, in any order, is accepted.

    Raises
    ------
    DataError
        If this is no UTF-8 CSV, a header has other names, a row has another width, or no row is
        left.
    """
    lines, rows = _split(_decode(data, file), file)
    if not rows:
        raise refuse([Violation(file, "no rows", "at least 1")])
    order = tuple(names)
    if _is_header(rows[0], order, file):
        order = tuple(rows[0])
        lines, rows = lines[1:], rows[1:]
        if not rows:
            raise refuse([Violation(file, "a header and no rows", "at least 1 row")])
    _check_widths(lines, rows, order, file)
    return CsvRows(order, lines, rows)


def _decode(data: bytes, file: str) -> str:
    if not data:
        raise refuse([Violation(file, "an empty file", "CSV rows")])
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            raise refuse([Violation(file, kind, "CSV text in UTF-8; unpack or convert it first")])
    _check_line_lengths(data, file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse([_undecodable(data, error.start, file)]) from error
    other = _OTHER_TEXTS.get(text.lstrip()[:1])
    if other:
        raise refuse([Violation(file, other, "CSV rows", line=1)])
    return text


def _undecodable(data: bytes, position: int, file: str) -> Violation:
    line_start = data.rfind(b"\n", 0, position) + 1
    return Violation(
        file,
        f"the byte 0x{data[position]:02x}",
        "text in UTF-8; convert the file's encoding",
        line=data.count(b"\n", 0, position) + 1,
        column=data.count(b",", line_start, position) + 1,
    )


def _check_line_lengths(data: bytes, file: str) -> None:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if len(line) > MAX_LINE_BYTES:
            expected = f"at most {MAX_LINE_BYTES} bytes"
            raise refuse([Violation(file, f"{len(line)} bytes", expected, line=number)])


def _split(text: str, file: str) -> tuple[list[int], list[list[str]]]:
    # Blank lines at the end are harmless; elsewhere they are rows without values.
    reader = csv.reader(io.StringIO(text.rstrip("\r\n"), newline=""), strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        for row in reader:
            lines.append(reader.line_num)
            rows.append(row)
    except csv.Error as error:
        found = f"broken quoting ({error})"
        expected = 'values separated by ",", quotes doubled'
        raise refuse([Violation(file, found, expected, line=reader.line_num)]) from error
    return lines, rows


def _is_header(first: list[str], names: tuple[str, ...], file: str) -> bool:
    if sorted(first) == sorted(names):
        return True
    known = {name.casefold() for name in names}
    if any(cell.strip().casefold() in known for cell in first):
        found = f"the header {shown(','.join(first))}"
        expected = f"no header or exactly the columns {','.join(names)}"
        raise refuse([Violation(file, found, expected, line=1)])
    return False


def _check_widths(
    lines: list[int], rows: list[list[str]], names: tuple[str, ...], file: str
) -> None:
    expected = f"{_values(len(names))} ({','.join(names)})"
    wrong = [
        Violation(file, _width(row), expected, line=line)
        for line, row in zip(lines, rows, strict=True)
        if len(row) != len(names)
    ]
    if wrong:
        raise refuse(wrong)


def _width(row: list[str]) -> str:
    if len(row) == 1:
        for delimiter, kind in _OTHER_DELIMITERS.items():
            if delimiter in row[0]:
                return f"values separated by {kind}"
    return _values(len(row)) if row else "a blank line"


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
