"""What goes to the terminal: tables and one-line notes, or JSON alone on standard output."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

TABLE_WIDTH = 200


class Output:
    """The streams of one command.

    With `as_json`, notes go to standard error so that standard output is the document alone.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json

    @property
    def console(self) -> Console:
        """Return Rich's console for people."""
        return self._console()

    def _console(self, width: int | None = None) -> Console:
        # imported late because Rich takes longer than many commands
        from rich.console import Console

        return Console(stderr=self.as_json, highlight=False, width=width)

    def note(self, text: str) -> None:
        """Print one line for people."""
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def document(self, value: object) -> None:
        """Print a value as JSON on standard output."""
        print(json.dumps(value, indent=2, default=_plain, ensure_ascii=False), flush=True)

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
        """Print a table, or the line `empty` where there are no rows."""
        listed = list(rows)
        if listed:
            # cells are to be read and copied whole: a narrow terminal wraps lines, not cells
            self._console(width=TABLE_WIDTH).print(table(columns, listed))
        else:
            self.note(empty)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Build a borderless table; a column of numbers aligns to the right."""
    from rich.table import Table
    from rich.text import Text

    listed = [list(row) for row in rows]
    drawn = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in listed)
        drawn.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in listed:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def clock(moment: datetime) -> str:
    """Show a moment in the reader's own time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def number(value: float | None, digits: int = 3) -> str:
    """Show a metric, or a dash where it is absent."""
    return "-" if value is None else f"{value:.{digits}f}"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).isdigit()
