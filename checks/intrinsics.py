"""What CloudFormation's functions come to, as far as a template alone tells."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::URLSuffix": "amazonaws.com",
}
UNKNOWN = re.compile("«([^»]*)»")
"""What only a deployment knows stands between these marks, by its name."""
VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")
Evaluation = Callable[[Any, "Names"], Any]
NO_VALUE = {"Ref": "AWS::NoValue"}


class Names(Protocol):
    """What the functions of one template refer to."""

    def parameter_default(self, name: str) -> Any:
        """Value of a parameter that is not given, or None."""

    def imported(self, name: str) -> Any:
        """What another stack of the assembly exports under a name, resolved, or None."""

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A mapping's two levels."""


def resolve(value: Any, names: Names) -> Any:
    """Replace every function by its result; what is not known yet becomes `«its name»`."""
    if isinstance(value, list):
        return [resolve(part, names) for part in value if part != NO_VALUE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Ref" or function.startswith("Fn::"):
            evaluate: Evaluation = _FUNCTIONS.get(function, _unknown)
            return evaluate(argument, names)
    return {key: resolve(part, names) for key, part in value.items() if part != NO_VALUE}


def text(value: Any, names: Names) -> str:
    """Resolve something that ends as a part of a text."""
    resolved = resolve(value, names)
    return resolved if isinstance(resolved, str) else str(resolved)


def _reference(name: Any, names: Names) -> Any:
    default = names.parameter_default(str(name))
    return PSEUDO.get(str(name), f"«{name}»" if default is None else default)


def _attribute(argument: Any, names: Names) -> str:
    parts = [argument] if isinstance(argument, str) else [text(part, names) for part in argument]
    return f"«{'.'.join(parts)}»"


def _join(argument: Any, names: Names) -> str:
    delimiter, parts = argument
    listed = resolve(parts, names)
    if not isinstance(listed, list):
        return str(listed)
    return str(delimiter).join(str(part) for part in listed)


def _sub(argument: Any, names: Names) -> str:
    template, given = (argument, {}) if isinstance(argument, str) else argument

    def value(found: re.Match[str]) -> str:
        literal, name = found.groups()
        if literal:
            return f"${{{name}}}"
        if name in given:
            return text(given[name], names)
        function = "Fn::GetAtt" if "." in name else "Ref"
        return text({function: name}, names)

    return VARIABLE.sub(value, template)


def _if(argument: Any, names: Names) -> Any:
    _, yes, no = argument
    return resolve(no if yes == NO_VALUE else yes, names)


def _select(argument: Any, names: Names) -> Any:
    index, values = argument[0], resolve(argument[1], names)
    known = isinstance(values, list) and str(index).isdigit() and int(index) < len(values)
    return values[int(index)] if known else f"«select {index}»"


def _split(argument: Any, names: Names) -> Any:
    resolved = text(argument[1], names)
    return resolved.split(argument[0])


def _find_in_map(argument: Any, names: Names) -> Any:
    found: Any = names.mapping(str(argument[0]))
    for part in argument[1:3]:
        key = text(part, names)
        found = found.get(key) if isinstance(found, Mapping) else None
    return f"«{argument[0]}»" if found is None else found


def _import(argument: Any, names: Names) -> Any:
    name = text(argument, names)
    known = names.imported(name)
    return f"«{name}»" if known is None else known


def _unknown(argument: Any, names: Names) -> str:
    return f"«{text(argument, names)}»"


_FUNCTIONS: dict[str, Evaluation] = {
    "Ref": _reference,
    "Fn::GetAtt": _attribute,
    "Fn::Join": _join,
    "Fn::Sub": _sub,
    "Fn::If": _if,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::ImportValue": _import,
    "Fn::Base64": resolve,
}
