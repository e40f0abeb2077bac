"""What the account answers like AWS, what it answers in another way, and what it refuses by name.

Two tables say it: `operations.toml` for API operations, `resource_types.toml` for CloudFormation.
What neither of them lists is refused, so that nothing seems to work which nobody has looked at.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REAL, APPROXIMATE, NO_EFFECT, REFUSED = LEVELS = ("real", "approximate", "no-effect", "refused")
OPERATIONS, RESOURCE_TYPES = "operations.toml", "resource_types.toml"
DOCUMENT = "local_account/PARITY.md"


@dataclass(frozen=True)
class Row:
    """One operation or property: how far it is modelled, and the difference in words.

    Attributes
    ----------
    words
        What differs; empty only where the level is real.
    members
        Which members of a request have no or another effect, in words.
    """

    level: str
    words: str = ""
    members: str = ""


Table = Mapping[str, Mapping[str, Row]]


@cache
def operations() -> Table:
    """Return the API operations by service, the name that requests are signed with."""
    return _table(OPERATIONS)


@cache
def resource_types() -> Table:
    """Return the properties of resource types, nested ones with dots, by type."""
    return _table(RESOURCE_TYPES)


def refused_operation(service: str, operation: str) -> str | None:
    """Return why an operation is refused, or None where the account answers it."""
    rows = operations().get(service)
    if rows is None:
        return f"The embedded account does not model {service or 'this'}; {_expected(operations())}"
    row = rows.get(operation)
    asked = f"{service}:{operation or 'this request'}"
    if row is None:
        return f"The embedded account does not model {asked}. {DOCUMENT} lists what it models."
    if row.level == REFUSED:
        return f"The embedded account does not model {asked}: {row.words}."
    return None


def refused_properties(type_name: str, properties: Mapping[str, Any]) -> str | None:
    """Return why a resource is refused, or None where the account can create it.

    Parameters
    ----------
    properties
        As in a template, with or without intrinsic functions.
    """
    rows = resource_types().get(type_name)
    if rows is None:
        return f"The embedded account does not model {type_name}. {DOCUMENT} lists what it models."
    path = next(_refused_paths(rows, properties, ""), None)
    if path is None:
        return None
    words = rows[path].words if path in rows else _expected(_siblings(rows, path))
    return f"The embedded account does not model the property {path} of {type_name}; {words}."


def _refused_paths(rows: Mapping[str, Row], value: Any, path: str) -> Iterator[str]:
    """Yield the paths below `path` that are refused, or that no row is about."""
    if path:
        row = rows.get(path)
        if row is not None and row.level == REFUSED:
            yield path
            return
        below = any(each.startswith(f"{path}.") for each in rows)
        if not below:
            if row is None:
                yield path
            return
    if isinstance(value, list):
        for member in value:
            yield from _refused_paths(rows, member, path)
    elif isinstance(value, Mapping) and not _is_intrinsic(value):
        for name, member in value.items():
            yield from _refused_paths(rows, member, f"{path}.{name}" if path else name)


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _siblings(rows: Mapping[str, Row], path: str) -> list[str]:
    """Return the names that are known where `path` has an unknown one."""
    parent = path.rpartition(".")[0]
    start = f"{parent}." if parent else ""
    return sorted(
        {each.removeprefix(start).partition(".")[0] for each in rows if each.startswith(start)}
    )


def _expected(names: Mapping[str, Any] | list[str]) -> str:
    return f"expected one of {', '.join(sorted(names))}"


def _table(name: str) -> Table:
    document = tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return {subject: dict(_rows(levels)) for subject, levels in sorted(document.items())}


def _rows(levels: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    members = levels.get("members", {})
    for name in levels.get(REAL, []):
        yield name, Row(REAL, members=members.get(name, ""))
    for level in (APPROXIMATE, NO_EFFECT, REFUSED):
        for name, words in levels.get(level, {}).items():
            yield name, Row(level, words, members.get(name, ""))
