"""Contract violations: where a value stands, what it is and what was expected there."""

from collections.abc import Iterable
from dataclasses import dataclass

from model_code.runtime.errors import DataError

MAX_LISTED = 10
SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Violation:
    """One broken rule; ``line`` and ``column`` count from 1, as editors and spreadsheets do."""

    file: str
    found: str
    expected: str
    line: int | None = None
    column: int | None = None
    name: str | None = None
    unit: str = "line"

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f" {self.unit} {self.line}"
        if self.column is not None:
            place += f" column {self.column}"
        if self.name is not None:
            place += f" ({self.name})"
        return f"{place}: found {self.found}, expected {self.expected}"


def refuse(violations: Iterable[Violation], count: int | None = None) -> DataError:
    """Make the error for these violations, listing the first of them."""
    everything = list(violations)
    return DataError(everything[:MAX_LISTED], len(everything) if count is None else count)


def shown(value: object) -> str:
    """Quote a value from the data on one line and within a bounded length."""
    text = str(value)
    if len(text) > SHOWN_CHARACTERS:
        text = text[: SHOWN_CHARACTERS - 3] + "..."
    return ascii(text) if not text.isprintable() else repr(text)


class ViolationList:
    """Collects what several files violate, so that one report names the first of each."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []
        self._count = 0

    def add(self, error: DataError) -> None:
        """Keep the violations of one file."""
        self._violations += error.violations
        self._count += error.count

    def raise_if_any(self) -> None:
        """Raise one error for all files, unless there was none."""
        if self._count:
            raise DataError(self._violations[:MAX_LISTED], self._count)
