"""Step Functions: whether each part of a definition is of the kind that it must be.

What looks at a definition further may then take each part for what it is.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

State = dict[str, Any]
_DEEPEST = 100
_NAMES: Mapping[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    float: "number",
}
_MACHINE: Mapping[str, type] = {
    "Comment": str,
    "QueryLanguage": str,
    "StartAt": str,
    "States": dict,
    "TimeoutSeconds": float,
}
_STATE: Mapping[str, type] = {
    **dict.fromkeys(("Type", "Comment", "QueryLanguage", "Next", "Default", "Resource"), str),
    **dict.fromkeys(("Error", "Cause", "Timestamp", "Label"), str),
    **dict.fromkeys(("Choices", "Retry", "Catch", "Branches"), list),
    **dict.fromkeys(("ItemProcessor", "Iterator", "ResultSelector", "ItemSelector"), dict),
    **dict.fromkeys(("ItemReader", "ItemBatcher", "ResultWriter", "Credentials", "Assign"), dict),
    **dict.fromkeys(("Seconds", "TimeoutSeconds", "HeartbeatSeconds", "MaxConcurrency"), float),
    "End": bool,
}
_TEST: Mapping[str, type] = {
    **dict.fromkeys(("Next", "Variable", "Comment"), str),
    **dict.fromkeys(("And", "Or"), list),
    **dict.fromkeys(("Not", "Assign"), dict),
}
_RETRIER: Mapping[str, type] = {
    "ErrorEquals": list,
    "JitterStrategy": str,
    **dict.fromkeys(("IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds"), float),
}
_CATCHER: Mapping[str, type] = {"ErrorEquals": list, "Next": str, "Assign": dict}


class Problem(NamedTuple):
    """One thing that is wrong: AWS's code, what it is, and where (as a JSON pointer)."""

    message: str
    location: str | None
    code: str = "SCHEMA_VALIDATION_FAILED"

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location or 'null'}"


class Members(dict[str, Any]):
    """A JSON object.

    Attributes
    ----------
    repeated : list of str
        The names that it has more than once.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.repeated = sorted({name for name in names if names.count(name) > 1})


def read(definition: str) -> Any:
    """Read a definition.

    Raises
    ------
    ValueError
        If it is no JSON, or nested so deeply that nobody wrote it.
    """
    too_deep = f"Nested more than {_DEEPEST} levels deep"
    try:
        found = json.loads(definition, object_pairs_hook=Members)
    except RecursionError as error:
        raise ValueError(too_deep) from error
    level = [found]
    for _ in range(_DEEPEST):
        level = [member for each in level for member in _members(each)]
    if level:
        raise ValueError(too_deep)
    return found


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def misshapen(machine: Any, at: str = "") -> Iterator[Problem]:
    """Yield what keeps a machine, or what is in a Parallel or Map state, from being read."""
    found = list(_in_fields(machine, _MACHINE, at))
    if not found and (missing := [name for name in ("StartAt", "States") if name not in machine]):
        found = [Problem(f"These fields are required: [{', '.join(missing)}]", at)]
    yield from found
    if not found:
        for name, state in machine["States"].items():
            yield from misshapen_state(state, f"{at}/States/{name}")


def misshapen_state(state: Any, at: str = "") -> Iterator[Problem]:
    """Yield what keeps a state from being read."""
    if found := list(_in_fields(state, _STATE, at)):
        yield from found
        return
    for number, rule in enumerate(state.get("Choices", [])):
        yield from _in_test(rule, f"{at}/Choices[{number}]")
    for field, kinds in (("Retry", _RETRIER), ("Catch", _CATCHER)):
        for number, rule in enumerate(state.get(field, [])):
            yield from _in_fields(rule, kinds, f"{at}/{field}[{number}]")
            errors = rule.get("ErrorEquals") if isinstance(rule, dict) else None
            if isinstance(errors, list) and not all(isinstance(name, str) for name in errors):
                yield _other_kind(str, f"{at}/{field}[{number}]/ErrorEquals")
    for where, inner in machines_in(state):
        yield from misshapen(inner, f"{at}{where}")


def machines_in(state: State) -> Iterator[tuple[str, Any]]:
    """Yield the machines in a Parallel or Map state, and where they are."""
    for number, branch in enumerate(state.get("Branches", [])):
        yield f"/Branches[{number}]", branch
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield f"/{field}", state[field]


def _in_test(rule: Any, at: str) -> Iterator[Problem]:
    if found := list(_in_fields(rule, _TEST, at)):
        yield from found
        return
    for field in ("And", "Or", "Not"):
        inner = rule.get(field, [])
        for number, each in enumerate(inner if isinstance(inner, list) else [inner]):
            yield from _in_test(each, f"{at}/{field}[{number}]")


def _in_fields(value: Any, kinds: Mapping[str, type], at: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _other_kind(dict, at)
        return
    for field, member in value.items():
        kind = str if field.endswith("Path") else kinds.get(field)
        if kind is None or (member is None and field.endswith("Path")):
            continue
        if not isinstance(member, (int, float) if kind is float else kind) or (
            kind is float and isinstance(member, bool)
        ):
            yield _other_kind(kind, f"{at}/{field}")


def _other_kind(kind: type, at: str) -> Problem:
    return Problem(f"Value is not a JSON {_NAMES[kind]}", at)
