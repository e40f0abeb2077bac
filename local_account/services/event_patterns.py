"""Event patterns of EventBridge: what they match, and which AWS refuses."""

import ipaddress
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_STRING_MATCHERS = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_ABOVE, _BELOW = (">", ">="), ("<", "<=")
_MATCHERS = (*_STRING_MATCHERS, "anything-but", "numeric", "exists", "cidr")


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Tell whether an event, or a part of one, has everything that a pattern asks for."""
    return all(
        any(matches(alternative, event) for alternative in wanted)
        if name == "$or"
        else _has(event.get(name, []), wanted)
        for name, wanted in pattern.items()
    )


def _has(found: Any, wanted: Any) -> bool:
    members = found if isinstance(found, list) else [found]
    if isinstance(wanted, Mapping):
        # of an array one object has to match as a whole; a part that is not there has nothing
        parts = [each for each in members if isinstance(each, Mapping)]
        return any(matches(wanted, part) for part in parts or [{}])
    leaves = [each for each in members if not isinstance(each, Mapping | list)]
    return any(_one_of(leaves, matcher) for matcher in wanted)


def _one_of(leaves: list[Any], matcher: Any) -> bool:
    if isinstance(matcher, Mapping) and "exists" in matcher:
        return bool(leaves) is matcher["exists"]
    return any(_is(leaf, matcher) for leaf in leaves)


def _is(value: Any, matcher: Any) -> bool:
    if not isinstance(matcher, Mapping):  # neither 1 and true are equal here, nor 1 and 1.0
        return json.dumps(value) == json.dumps(matcher)
    ((name, wanted),) = matcher.items()
    if name == "anything-but":
        return not any(_is(value, each) for each in _listed(wanted))
    if name == "numeric":
        pairs = zip(wanted[::2], wanted[1::2], strict=True)
        return _is_number(value) and all(_COMPARISONS[each](value, n) for each, n in pairs)
    # a list of texts is for anything-but alone
    return isinstance(value, str) and any(_reads(value, name, each) for each in _listed(wanted))


def _reads(value: str, name: str, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return _reads(value.lower(), name, wanted["equals-ignore-case"].lower())
    if name == "cidr":
        return _in_network(value, wanted)
    if name == "equals-ignore-case":
        return value.lower() == str(wanted).lower()
    if name == "wildcard":
        return _wildcard(wanted).fullmatch(value) is not None
    return value.startswith(wanted) if name == "prefix" else value.endswith(wanted)


def _wildcard(text: str) -> re.Pattern[str]:
    """Return the expression for a wildcard, in which a backslash makes `*` and itself plain."""
    parts = re.findall(r"\\[*\\]|\*|[^*\\]+|\\", text)
    spelled = [
        ".*" if part == "*" else re.escape(part[-1:] if part[0] == "\\" else part) for part in parts
    ]
    return re.compile("".join(spelled), re.DOTALL)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_network(value: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


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
    elif name == "cidr" and not _is_network(value):
        yield f"Malformed CIDR at '{path}'"


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
    elif any(not isinstance(each, str) and not _is_number(each) for each in _listed(value)):
        yield f"anything-but takes strings and numbers at '{path}'"
    elif len({isinstance(each, str) for each in _listed(value)}) > 1:
        yield f"Inside anything-but list, either all values are numbers or strings at '{path}'"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_network(value: Any) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def _compares_numbers(value: Any) -> bool:
    """Tell whether there is one comparison, or a lower and then an upper limit."""
    if not isinstance(value, list) or len(value) not in (2, 4):
        return False
    if not all(_is_number(number) for number in value[1::2]):
        return False
    if len(value) == 2:
        return value[0] in _COMPARISONS
    return value[0] in _ABOVE and value[2] in _BELOW and value[1] < value[3]
