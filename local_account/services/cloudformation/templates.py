"""CloudFormation: templates as they are read, their limits, and the parameters they take."""

import json
import re
from collections.abc import Callable, Container, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml

from local_account import parity
from local_account.services.cloudformation.intrinsics import invalid, references

Template = dict[str, Any]

_LONGEST_INLINE = 51_200
_LONGEST = 1_000_000
_MOST = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
_SECTIONS = {
    *("AWSTemplateFormatVersion", "Conditions", "Description", "Mappings", "Metadata", "Outputs"),
    *("Parameters", "Resources", "Rules"),
}
_IAM_NAMES = {
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
}
_PSEUDO = {
    *("AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition"),
    *("AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"),
}
_ATTRIBUTES = {
    *("Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties"),
    *("Type", "UpdatePolicy", "UpdateReplacePolicy"),
}
_POLICIES = {"Delete", "Retain", "RetainExceptOnCreate"}


class _Loader(yaml.SafeLoader):
    """Reads YAML as CloudFormation does: `!Ref` and the like, and dates as texts."""


def _function(loader: Any, tag: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _function)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str, *, inline: bool) -> Template:
    """Read a template.

    Raises
    ------
    ServiceError
        If it is too long, or neither JSON nor YAML.
    """
    if inline and len(text.encode()) > _LONGEST_INLINE:
        what = "at 'templateBody' failed to satisfy constraint: Member must have length"
        raise invalid(f"1 validation error detected: Value {what} less than or equal to 51200")
    if len(text.encode()) > _LONGEST:
        raise invalid(f"Template may not exceed {_LONGEST} bytes in size.")
    try:
        template = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, yaml.YAMLError) as error:
        raise invalid(f"Template format error: JSON or YAML not well-formed. ({error})") from error
    if not isinstance(template, dict):
        raise invalid("Template format error: unsupported structure.")
    return template


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with CloudFormation's tags


def check(template: Template, modelled: Container[str]) -> None:
    """Refuse a template that CloudFormation would not take, or that is not modelled here.

    Raises
    ------
    ServiceError
        With the words of CloudFormation, where it refuses.
    """
    if unknown := sorted(set(template) - _SECTIONS):
        raise invalid(f"Invalid template property or properties [{', '.join(unknown)}]")
    if not template.get("Resources"):
        message = "At least one Resources member must be defined."
        raise invalid(f"Template format error: {message}")
    for section, most in _MOST.items():
        if (found := len(template.get(section, {}))) > most:
            what = f"Number of {section.lower()}, {found}, is greater than maximum allowed, {most}"
            raise invalid(f"Template format error: {what}")
    for logical_id, resource in template["Resources"].items():
        _check_resource(logical_id, resource)
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    if unknown := sorted(kind for kind in kinds if kind not in modelled):
        raise invalid(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}] "
            "(the embedded account does not model them)"
        )
    for each in template["Resources"].values():
        if refusal := parity.refused_properties(each["Type"], each.get("Properties", {})):
            raise invalid(refusal)
    _check_references(template)
    creation_order(template["Resources"])


def _check_resource(logical_id: str, resource: Any) -> None:
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        what = f"[/Resources/{logical_id}] Every Resources object must contain a Type member."
        raise invalid(f"Template format error: {what}")
    if not isinstance(resource.get("Properties", {}), dict):
        what = f"[/Resources/{logical_id}/Properties] Properties must be an object."
        raise invalid(f"Template format error: {what}")
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", logical_id):
        raise invalid(f"Template format error: Resource name {logical_id} is non alphanumeric.")
    if unknown := sorted(set(resource) - _ATTRIBUTES):
        raise invalid(f"Invalid template resource property '{unknown[0]}'")
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = resource.get(name, "Delete")
        if policy == "Snapshot":
            what = f"resource type {resource['Type']} does not support deletion policy Snapshot"
            raise invalid(f"Template error: {what}")
        if policy not in _POLICIES:
            raise invalid(f"Template error: Unrecognized {name} {policy} for {logical_id}")
    for name in ("CreationPolicy", "UpdatePolicy"):
        if name in resource:
            raise invalid(f"The embedded account does not model {name} ({logical_id}).")


def _check_references(template: Template) -> None:
    resources = template["Resources"].values()
    known = {*template["Resources"], *template.get("Parameters", {}), *_PSEUDO}
    needed = {name for each in resources for name in dependencies(each)}
    _require_known(needed - known, "Resources")
    outputs = template.get("Outputs", {}).values()
    if any("Value" not in each for each in outputs):
        message = "Every Outputs member must contain a Value object"
        raise invalid(f"Template format error: {message}")
    _require_known({name for each in outputs for name, _ in references(each)} - known, "Outputs")


def _require_known(missing: set[str], block: str) -> None:
    if missing:
        what = f"Unresolved resource dependencies [{', '.join(sorted(missing))}]"
        raise invalid(f"Template format error: {what} in the {block} block of the template")


def depends_on(resource: Mapping[str, Any]) -> list[str]:
    """Return what a resource's DependsOn names."""
    found = resource.get("DependsOn", [])
    return [found] if isinstance(found, str) else list(found)


def dependencies(resource: Mapping[str, Any]) -> set[str]:
    """Return the names that a resource refers to or depends on."""
    named = {name for name, _ in references(resource.get("Properties", {}))}
    return named | set(depends_on(resource))


def creation_order(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the resources so that each comes after those it needs.

    Raises
    ------
    ServiceError
        If they need each other.
    """
    needs = {name: dependencies(each) & set(resources) for name, each in resources.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = ", ".join(dict.fromkeys(error.args[1]))
        raise invalid(f"Circular dependency between resources: [{circle}]") from error


def required_capabilities(template: Template) -> list[str]:
    """Return the capabilities that whoever deploys a template has to acknowledge."""
    found = [each for each in template["Resources"].values() if each["Type"] in _IAM_NAMES]
    if any(_IAM_NAMES[each["Type"]] in each.get("Properties", {}) for each in found):
        return ["CAPABILITY_NAMED_IAM"]
    return ["CAPABILITY_IAM"] if found else []


def parameter_texts(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return what each parameter is given, or its default.

    Raises
    ------
    ServiceError
        If one is missing, or for a parameter that the template does not have.
    """
    declared = template.get("Parameters", {})
    if unknown := sorted(set(given) - set(declared)):
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    known = {name: slot["Default"] for name, slot in declared.items() if "Default" in slot}
    known.update(given)
    if missing := [name for name in declared if name not in known]:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    return {name: str(known[name]) for name in declared}


def parameter_values(
    template: Template, texts: Mapping[str, str], look_up: Callable[[str], str]
) -> dict[str, Any]:
    """Return the value of each parameter; `look_up` reads one of SSM.

    Raises
    ------
    ServiceError
        If a value is not allowed.
    """
    declared = template.get("Parameters", {})
    return {name: _value(name, declared[name], texts[name], look_up) for name in declared}


def _value(name: str, slot: Mapping[str, Any], given: str, look_up: Callable[[str], str]) -> Any:
    kind = slot["Type"]
    allowed = [str(each) for each in slot.get("AllowedValues", [given])]
    if given not in allowed:
        raise invalid(f"Parameter '{name}' must be one of AllowedValues")
    if not re.fullmatch(slot.get("AllowedPattern", r"(?s).*"), given):
        reason = slot.get("ConstraintDescription")
        what = reason or f"must match pattern {slot['AllowedPattern']}"
        raise invalid(f"Parameter '{name}' {what}")
    if not int(slot.get("MinLength", 0)) <= len(given) <= int(slot.get("MaxLength", 4096)):
        raise invalid(f"Parameter '{name}' is shorter than MinLength or longer than MaxLength")
    if kind.startswith("AWS::SSM::Parameter::Value<"):
        given, kind = look_up(given), kind.partition("<")[2].removesuffix(">")
    if kind == "Number" and not re.fullmatch(r"-?\d+(\.\d+)?", given):
        raise invalid(f"Parameter '{name}' must be a number")
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [each.strip() for each in given.split(",")]
    return given
