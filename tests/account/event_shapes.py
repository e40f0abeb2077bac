"""Compare events with what is documented of their shape: members, types, spelling, times."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("events")
_FIRST_MILLISECOND = 1_000_000_000_000  # seconds are below


def _is_json(value: Any) -> bool:
    try:
        json.loads(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def _reads(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# the words of the files in `events`; any other is a value itself, after "=" or one of several
TYPES: dict[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "date": _reads(r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M"),
    "digest": _reads("sha256:[0-9a-f]{64}"),
    "empty": lambda value: value in ([], {}),
    "float": lambda value: isinstance(value, float),
    "hex": _reads("[0-9A-F]{16,}"),
    "included": lambda value: value == {"included": True},
    "int": _whole,
    "iso": _reads(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "json": _is_json,
    "list": lambda value: isinstance(value, list) and bool(value),
    "map": lambda value: isinstance(value, dict),
    "ms": lambda value: _whole(value) and value > _FIRST_MILLISECOND,
    "null": lambda value: value is None,
    "s3": _reads("s3://.+"),
    "text": lambda value: isinstance(value, str) and value != "",
    "uuid": _reads("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}


def shapes() -> dict[str, Any]:
    """Return the shape of each event by its detail-type."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {shape["detail-type"].removeprefix("="): shape for shape in found}


def differences(value: Any, shape: Any, path: str = "event") -> Iterator[str]:
    """Yield where a value is not of a shape; members that end in `?` may be absent."""
    if isinstance(shape, dict):
        yield from _different_members(value, shape, path)
    elif isinstance(shape, list):
        for number, member in enumerate(value):
            if path.endswith(".resources"):
                if not member.startswith(shape[0]):
                    yield f"{path}: {member!r} does not begin with {shape[0]}"
            else:
                yield from differences(member, shape[0], f"{path}[{number}]")
    elif not any(_is(value, word) for word in shape.split("|")):
        yield f"{path}: {value!r} is not {shape}"


def _different_members(value: Any, shape: dict[str, Any], path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    known = {name.removesuffix("?"): member for name, member in shape.items()}
    required = {name for name in shape if not name.endswith("?")}
    if missing := sorted(required - value.keys()):
        yield f"{path}: without {missing}"
    if unknown := sorted(value.keys() - known):
        yield f"{path}: with {unknown}"
    for name in value.keys() & known:
        yield from differences(value[name], known[name], f"{path}.{name}")


def _is(value: Any, word: str) -> bool:
    return TYPES[word](value) if word in TYPES else bool(value == word.removeprefix("="))
