"""Event patterns of EventBridge: refuse those that AWS refuses, which moto would accept."""

from collections.abc import Iterator, Mapping
from typing import Any

_STRING_MATCHERS = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_COMPARISONS = ("<", "<=", "=", ">=", ">")
_MATCHERS = (*_STRING_MATCHERS, "anything-but", "numeric", "exists", "cidr")


def problems(pattern: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a pattern."""
    if not isinstance(pattern, Mapping) or not pattern:
        yield f"Event pattern must be a non-empty object{path and f' at {path}'}"
        return
    for name, value in pattern.items():
        here = f"{path}.{name}".lstrip(".")
        if isinstance(value, Mapping):
            yield from problems(value, here)
        elif not isinstance(value, list):
            yield f"'{here}' must be an object or an array"
        elif not value:
            yield f"Empty arrays are not allowed at '{here}'"
        elif name == "$or":
            for alternative in value:
                yield from problems(alternative, path)
        else:
            for matcher in value:
                yield from _matcher_problems(matcher, here)


def _matcher_problems(matcher: Any, path: str) -> Iterator[str]:
    if isinstance(matcher, list):
        yield f"Nested arrays are not allowed at '{path}'"
    if not isinstance(matcher, Mapping):
        return
    if len(matcher) != 1:
        yield f"Only one key is allowed in a match expression at '{path}'"
        return
    ((name, value),) = matcher.items()
    if name not in _MATCHERS:
        yield f"Unrecognized match type {name} at '{path}'"
    elif name in _STRING_MATCHERS:
        yield from _string_problems(name, value, path)
    elif name == "anything-but":
        yield from _anything_but_problems(value, path)
    elif name == "exists" and not isinstance(value, bool):
        yield f"exists match pattern must be either true or false at '{path}'"
    elif name == "numeric" and not _compares_numbers(value):
        yield f"Invalid numeric match at '{path}'"


def _string_problems(name: str, value: Any, path: str) -> Iterator[str]:
    ignores_case = isinstance(value, Mapping) and name in ("prefix", "suffix")
    text = value.get("equals-ignore-case") if ignores_case else value
    if not isinstance(text, str) or (isinstance(value, Mapping) and len(value) != 1):
        yield f"{name} match pattern must be a string at '{path}'"
    elif name == "wildcard" and "**" in text:
        yield f"Consecutive wildcard characters at '{path}'"


def _anything_but_problems(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        if len(value) != 1 or next(iter(value)) not in _STRING_MATCHERS:
            yield f"Unsupported anything-but pattern at '{path}'"
            return
        ((name, excluded),) = value.items()
        for text in excluded if isinstance(excluded, list) else [excluded]:
            if isinstance(text, str):
                yield from _string_problems(name, text, path)
            else:
                yield f"Value of {name} in anything-but must be a string or a list at '{path}'"
    elif isinstance(value, list) and not value:
        yield f"Value of anything-but must not be empty at '{path}'"


def _compares_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (2, 4)
        and all(operator in _COMPARISONS for operator in value[::2])
        and all(isinstance(number, int | float) for number in value[1::2])
    )
