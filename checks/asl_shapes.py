"""What a task asks of a service, held against the API: names, types, lengths, choices."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.model import Shape, StructureShape

from checks.findings import Finding
from checks.integrations import S, integration
from checks.intrinsics import UNKNOWN
from checks.machines import Machine, State

DOCUMENTS = {"Payload", "Message", "MessageBody", "Input", "Detail", "Body", "Parameters"}
"""Members that the API takes as text, and Step Functions as any JSON."""
FILLED_IN = {"ClientToken", "ClientRequestToken", "IdempotencyToken"}
PATH = re.compile(r"\$(\.|\[|\$\.|$)")
Problem = tuple[str, str, str]


def find(machine: Machine) -> Iterator[Finding]:
    """Yield what a service would refuse, or would take for something else."""
    for state in machine.states:
        if state.body.get("Type") == "Task":
            for rule, found, expected in _task(state):
                yield state.finding(rule, found, expected)
        if not state.jsonata:
            for field in ("Parameters", "ResultSelector", "ItemSelector"):
                for rule, found, expected in _paths(state.body.get(field), field):
                    yield state.finding(rule, found, expected)


def _task(state: State) -> Iterator[Problem]:
    resource = str(state.body.get("Resource", ""))
    called = integration(resource)
    if called is None:
        if resource.startswith("arn:") and ":states:::" in resource:
            yield "asl-integration", resource, "an integration of Step Functions"
        return
    if not called.exists:
        yield "asl-integration", resource, "an action that Step Functions can call"
        return
    if called.pattern and called.pattern not in called.supported:
        supported = ", ".join(sorted(called.supported)) or "none"
        rule = "asl-sync" if called.pattern.startswith(S) else "asl-integration"
        yield rule, f".{called.pattern} of {called.action}", f"patterns it has: {supported}"
    operation = called.operation
    if operation and operation.input_shape:
        yield from _structure(operation.input_shape, state.parameters, called.action, state.jsonata)


def _paths(value: Any, place: str) -> Iterator[Problem]:
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from _paths(part, f"{place}[{index}]")
    if not isinstance(value, dict):
        return
    for name, part in value.items():
        is_text = isinstance(part, str)
        if name.endswith(".$"):
            if not is_text or not (part.startswith(("$", "States.")) or UNKNOWN.search(part)):
                yield "asl-path", f"{place}.{name}: {part!r}", "a path or an intrinsic function"
        elif is_text and (PATH.match(part) or re.match(r"States\.[A-Z]\w+\(", part)):
            yield "asl-path", f"{place}.{name}: {part!r}", f"{name}.$: else it is the text itself"
        else:
            yield from _paths(part, f"{place}.{name}")


def _value(shape: Shape, value: Any, place: str, jsonata: bool) -> Iterator[Problem]:
    if jsonata and isinstance(value, str) and value.startswith("{%"):
        return
    kind = shape.type_name
    if isinstance(shape, StructureShape):
        if not getattr(shape, "is_document_type", False):
            yield from _structure(shape, value, place, jsonata)
    elif kind in _CONTAINERS:
        yield from _container(shape, value, place, jsonata)
    elif kind in _TYPES:
        yield from _scalar(shape, value, place)


def _structure(shape: StructureShape, value: Any, place: str, jsonata: bool) -> Iterator[Problem]:
    if isinstance(value, str) and jsonata:
        return
    if not isinstance(value, dict):
        yield "asl-parameter", f"{place}: {value!r}", "an object"
        return
    members = {_capital(name): member for name, member in shape.members.items()}
    given = {_capital(name.removesuffix(".$")): name for name in value}
    for name, written in given.items():
        inner = f"{place}.{name}"
        if name not in members:
            yield "asl-parameter", f"{inner}: no such member", _close(name, members)
        elif not written.endswith(".$") and name not in DOCUMENTS:
            yield from _value(members[name], value[written], inner, jsonata)
    for name in map(_capital, shape.required_members):
        if name not in given and name not in FILLED_IN:
            yield "asl-parameter", f"{place}: no {name}", f"{name}, which is required"


_CONTAINERS = {"list": list, "map": dict}
_TYPES: Mapping[str, tuple[Any, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


def _container(shape: Any, value: Any, place: str, jsonata: bool) -> Iterator[Problem]:
    if not isinstance(value, _CONTAINERS[shape.type_name]):
        yield "asl-parameter", f"{place}: {value!r}", f"a {shape.type_name}"
        return
    yield from _size(shape, len(value), place)
    if shape.type_name == "list":
        for index, part in enumerate(value):
            yield from _value(shape.member, part, f"{place}[{index}]", jsonata)
        return
    for name, part in value.items():
        if not name.endswith(".$"):
            yield from _value(shape.value, part, f"{place}.{name}", jsonata)


def _scalar(shape: Any, value: Any, place: str) -> Iterator[Problem]:
    types = _TYPES[shape.type_name]
    if isinstance(value, str) and UNKNOWN.search(value):
        return
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        yield "asl-parameter", f"{place}: {value!r}", f"a {shape.type_name}"
    elif isinstance(value, str):
        yield from _size(shape, len(value), place)
        if shape.enum and value not in shape.enum:
            yield "asl-parameter", f"{place}: {value!r}", f"one of {', '.join(shape.enum[:6])} …"
        elif not _matches(shape.metadata.get("pattern"), value):
            yield "asl-parameter", f"{place}: {value!r}", f"text like {shape.metadata['pattern']}"
    elif not isinstance(value, bool):
        yield from _size(shape, value, place)


def _size(shape: Shape, size: float, place: str) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        limits = f"{'' if least is None else least} to {'' if most is None else most}"
        yield "asl-parameter", f"{place}: {size}", f"{shape.type_name} of {limits}"


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern.replace(r"\p{Z}", r"\s").replace(r"\p{L}", "A-Za-z"))
    except re.error:
        return None  # of Java's syntax


def _matches(pattern: str | None, value: str) -> bool:
    compiled = _compiled(pattern) if pattern and r"\p{" not in pattern else None
    return compiled is None or bool(compiled.match(value))


def _close(name: str, members: Mapping[str, Shape]) -> str:
    alike = [each for each in members if each.lower()[:5] == name.lower()[:5]]
    return f"one of {', '.join((alike or sorted(members))[:6])}"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
