"""CloudFormation: what the intrinsic functions and conditions of a template mean."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from local_account.service import ServiceError

KNOWN_LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What a change set says of a value that only its execution will tell."""

_NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{([^!${}][^${}]*)\}")


class Resource(Protocol):
    """What `Ref` and `Fn::GetAtt` ask of a resource."""

    @property
    def physical_id(self) -> str:
        """What `Ref` gives."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """What `Fn::GetAtt` gives, by name."""


def invalid(message: str) -> ServiceError:
    """Return the error of a template or request that CloudFormation refuses."""
    return ServiceError("ValidationError", message)


@contextmanager
def readable(what: Any) -> Iterator[None]:
    """Refuse a part of a template that is not of the form that it should be of.

    Raises
    ------
    ServiceError
        If reading it fails.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise invalid(f"Template error: {what} is not of the expected form ({found})") from error


def attribute_of(argument: Any) -> tuple[str, str]:
    """Return the resource and the attribute that an `Fn::GetAtt` names."""
    resource, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    return resource, attribute


def _variables(argument: Any) -> tuple[str, dict[str, Any]]:
    return (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every name that a value refers to, with the attribute asked for (or nothing)."""
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    elif isinstance(value, dict):
        for name, argument in value.items():
            if len(value) == 1 and name == "Ref":
                yield argument, ""
            elif len(value) == 1 and name == "Fn::GetAtt":
                yield attribute_of(argument)
            else:
                if len(value) == 1 and name == "Fn::Sub":
                    yield from _substituted(argument)
                yield from references(argument)


def _substituted(argument: Any) -> Iterator[tuple[str, str]]:
    text, given = _variables(argument)
    for variable in _VARIABLE.findall(text):
        if variable not in given:
            name, _, attribute = variable.partition(".")
            yield name, attribute


class Scope:
    """The names of one template with one set of parameters.

    Parameters
    ----------
    template
        The template.
    values
        The values of parameters and pseudo parameters.
    resources
        The resources that there are.
    export
        Called with the name of an export, returns its value.
    """

    def __init__(
        self,
        template: Mapping[str, Any],
        values: Mapping[str, Any],
        resources: Mapping[str, Resource],
        export: Callable[[str], str],
    ) -> None:
        self._template, self._values = template, values
        self._resources, self._export = resources, export
        self._conditions: dict[str, bool] = {}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::Base64": lambda text: base64.b64encode(self.text(text).encode()).decode(),
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": lambda argument: self._attribute(*attribute_of(argument)),
            "Fn::GetAZs": lambda _: [f"{values['AWS::Region']}{zone}" for zone in "abc"],
            "Fn::If": self._if,
            "Fn::ImportValue": lambda name: self._export(self.text(name)),
            "Fn::Join": self._join,
            "Fn::Length": lambda members: len(self.resolve(members)),
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": lambda document: json.dumps(self.resolve(document)),
        }

    def text(self, value: Any) -> str:
        """Resolve a value that has to be a text."""
        found = self.resolve(value)
        return "" if found is _NO_VALUE else found if isinstance(found, str) else json.dumps(found)

    def resolve(self, value: Any) -> Any:
        """Return a value with every function in it carried out.

        Raises
        ------
        ServiceError
            If a function is unknown, or what it names is not there.
        """
        if isinstance(value, list):
            found = [self.resolve(each) for each in value]
            return [each for each in found if each is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._functions:
                with readable(value):
                    return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise invalid(f"The embedded account does not model the function {name}.")
        members = {name: self.resolve(each) for name, each in value.items()}
        return {name: each for name, each in members.items() if each is not _NO_VALUE}

    def holds(self, condition: str) -> bool:
        """Tell whether a condition of the template holds."""
        if condition not in self._conditions:
            conditions = self._template.get("Conditions", {})
            if condition not in conditions:
                message = f"Unresolved condition dependency {condition} in the template"
                raise invalid(f"Template format error: {message}")
            self._conditions[condition] = self.true(conditions[condition])
        return self._conditions[condition]

    def true(self, value: Any) -> bool:
        """Evaluate a condition, or an assertion of a rule."""
        with readable(value):
            return self._true(value)

    def _true(self, value: Any) -> bool:
        ((name, argument),) = value.items()
        if name == "Condition":
            return self.holds(argument)
        if name == "Fn::Equals":
            return self.text(argument[0]) == self.text(argument[1])
        if name == "Fn::Not":
            return not self.true(argument[0])
        if name == "Fn::And":
            return all(self.true(each) for each in argument)
        if name == "Fn::Or":
            return any(self.true(each) for each in argument)
        if name == "Fn::Contains":
            return self.resolve(argument[1]) in self.resolve(argument[0])
        raise invalid(f"The embedded account does not model the condition function {name}.")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._values:
            return self._values[name]
        return self._resource(name).physical_id

    def _attribute(self, name: str, attribute: Any) -> str:
        resource, attribute = self._resource(name), self.text(attribute)
        if resource.physical_id == KNOWN_LATER:
            return KNOWN_LATER
        if attribute not in resource.attributes:
            what = f"resource {name} does not support attribute type {attribute} in Fn::GetAtt"
            raise invalid(f"Template error: {what}")
        return resource.attributes[attribute]

    def _resource(self, name: str) -> Resource:
        if name not in self._resources:
            message = f"Unresolved resource dependencies [{name}] in the template"
            raise invalid(f"Template format error: {message}")
        return self._resources[name]

    def _if(self, argument: Any) -> Any:
        condition, holds, otherwise = argument
        return self.resolve(holds if self.holds(condition) else otherwise)

    def _find_in_map(self, argument: Any) -> Any:
        found: Any = self._template.get("Mappings", {})
        for key in argument[:3]:
            name = self.text(key)
            if name not in found:
                raise invalid(f"Template error: Unable to get mapping for {argument}")
            found = found[name]
        return found

    def _join(self, argument: Any) -> str:
        delimiter, members = argument
        found = self.resolve(members)
        return str(delimiter.join(each if isinstance(each, str) else str(each) for each in found))

    def _select(self, argument: Any) -> Any:
        index, members = int(self.text(argument[0])), self.resolve(argument[1])
        if KNOWN_LATER in json.dumps(members):
            return KNOWN_LATER
        if not 0 <= index < len(members):
            message = f"Fn::Select cannot select nonexistent value at index {index}"
            raise invalid(f"Template error: {message}")
        return members[index]

    def _split(self, argument: Any) -> list[str]:
        return self.text(argument[1]).split(argument[0])

    def _sub(self, argument: Any) -> str:
        text, given = _variables(argument)

        def value(variable: re.Match[str]) -> str:
            name, _, attribute = variable[1].strip().partition(".")
            if variable[1] in given:
                return self.text(given[variable[1]])
            return self._attribute(name, attribute) if attribute else self.text({"Ref": name})

        return re.sub(r"\$\{!([^${}]*)\}", r"${\1}", _VARIABLE.sub(value, text))
