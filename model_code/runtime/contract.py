"""The data contract: columns, types, categories, bounds, label, task and metric."""

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from model_code.runtime.errors import ContractError

ColumnType = Literal["category", "number", "integer"]
TASKS = {"regression": ("rmse", "mse", "mae", "r2")}
# XGBoost takes no such character in the name of a feature.
_NOT_IN_FEATURES = "[]<"
_CONTRACT_KEYS = {"schema", "task", "metric", "label", "minimum_rows", "columns"}
_COLUMN_KEYS: dict[str, set[str]] = {
    "category": {"name", "type", "categories"},
    "number": {"name", "type", "minimum", "maximum"},
    "integer": {"name", "type", "minimum", "maximum"},
}


@dataclass(frozen=True)
class Column:
    """One column; the bounds are included and only numbers have them."""

    name: str
    type: ColumnType
    categories: tuple[str, ...] = ()
    minimum: float = -math.inf
    maximum: float = math.inf

    @cached_property
    def expected(self) -> str:
        """What a value must be, in words for messages."""
        if self.type == "category":
            return "one of " + ", ".join(self.categories)
        kind = "a whole number" if self.type == "integer" else "a number"
        return f"{kind} between {self.minimum:g} and {self.maximum:g}"


@dataclass(frozen=True)
class Contract:
    """What a table must be; ``columns`` are in the order of a CSV file without header."""

    columns: tuple[Column, ...]
    label: str
    task: str
    metric: str
    minimum_rows: Mapping[str, int]
    source: bytes

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns without the label, in the same order."""
        return tuple(column for column in self.columns if column.name != self.label)

    @property
    def sha256(self) -> str:
        """The identity of the contract: the digest of its file."""
        return hashlib.sha256(self.source).hexdigest()


def read_contract(path: Path) -> Contract:
    """Read a contract file.

    Raises
    ------
    ContractError
        If it is missing, no TOML, or says something unknown or contradictory.
    """
    try:
        source = path.read_bytes()
        content = tomllib.loads(source.decode())
    except (OSError, ValueError) as error:
        raise ContractError(f"{path.name}: found no readable TOML ({error}).") from error
    try:
        return _parse(content, source)
    except ContractError as error:
        raise ContractError(f"{path.name}: {error}") from error


def _parse(content: dict[str, Any], source: bytes) -> Contract:
    _refuse_unknown_keys("the contract", content, _CONTRACT_KEYS)
    if content.get("schema") != 1:
        raise ContractError(f"found schema {content.get('schema')!r}, expected 1.")
    task, metric = content.get("task"), content.get("metric")
    if not isinstance(task, str) or task not in TASKS:
        raise ContractError(f"found task {task!r}, expected one of {', '.join(TASKS)}.")
    if not isinstance(metric, str) or metric not in TASKS[task]:
        raise ContractError(f"found metric {metric!r}, expected one of {', '.join(TASKS[task])}.")
    columns = tuple(_column(entry) for entry in _list(content, "columns"))
    return Contract(
        columns=columns,
        label=_label(content.get("label"), columns),
        task=task,
        metric=metric,
        minimum_rows=_minimum_rows(content.get("minimum_rows", {})),
        source=source,
    )


def _label(label: object, columns: tuple[Column, ...]) -> str:
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise ContractError("a column name occurs twice.")
    by_name = {column.name: column for column in columns}
    if not isinstance(label, str) or label not in by_name:
        raise ContractError(f"found label {label!r}, expected one of the columns.")
    if by_name[label].type == "category":
        raise ContractError(f"the label '{label}' of a regression must be a number.")
    if len(columns) < 2:
        raise ContractError("found no column besides the label, expected at least 1 feature.")
    return label


def _column(entry: object) -> Column:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ContractError(f"found the column {entry!r}, expected a table with a name.")
    name, kind = _feature_text(entry["name"]), entry.get("type")
    if kind not in _COLUMN_KEYS:
        raise ContractError(
            f"column '{name}': found type {kind!r}, expected {', '.join(_COLUMN_KEYS)}."
        )
    _refuse_unknown_keys(f"column '{name}'", entry, _COLUMN_KEYS[kind])
    if kind == "category":
        return Column(name, kind, categories=_categories(name, entry))
    minimum, maximum = _bound(entry, "minimum"), _bound(entry, "maximum")
    if minimum >= maximum:
        raise ContractError(f"column '{name}': minimum {minimum:g} is not below {maximum:g}.")
    return Column(name, kind, minimum=minimum, maximum=maximum)


def _categories(name: str, entry: dict[str, Any]) -> tuple[str, ...]:
    categories = _list(entry, "categories")
    if not categories or not all(isinstance(value, str) and value for value in categories):
        raise ContractError(f"column '{name}': expected categories as a list of texts.")
    if len(set(categories)) < len(categories):
        raise ContractError(f"column '{name}': a category occurs twice.")
    return tuple(_feature_text(category) for category in categories)


def _feature_text(text: str) -> str:
    if not text or any(character in text for character in _NOT_IN_FEATURES):
        raise ContractError(f"found the name {text!r}, expected none of {_NOT_IN_FEATURES} in it.")
    return text


def _bound(entry: dict[str, Any], key: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ContractError(f"column '{entry['name']}': found {key} {value!r}, expected a number.")
    return float(value)


def _minimum_rows(entry: object) -> dict[str, int]:
    if not isinstance(entry, dict):
        raise ContractError("minimum_rows: expected a table of whole numbers.")
    _refuse_unknown_keys("minimum_rows", entry, {"train", "validation"})
    for split, rows in entry.items():
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise ContractError(f"minimum_rows.{split}: found {rows!r}, expected at least 1.")
    return dict(entry)


def _list(entry: dict[str, Any], key: str) -> list[Any]:
    value = entry.get(key)
    if not isinstance(value, list):
        raise ContractError(f"found {key} {value!r}, expected a list.")
    return value


def _refuse_unknown_keys(place: str, entry: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ContractError(
            f"{place}: '{unknown[0]}' is unknown, expected {', '.join(sorted(known))}."
        )
