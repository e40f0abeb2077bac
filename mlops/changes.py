"""What a deployment would change: nothing, or the state machine in words one can read."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from mlops.project import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.cdk import Cdk
    from mlops.target import Deployment

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
"""Statuses of a stack that is what its template says."""
_STATE_MACHINE = "AWS::StepFunctions::StateMachine"


def deployed_template(deployment: Deployment, part: str) -> dict[str, Any] | None:
    """Return the template of a deployed stack, None where there is none."""
    if not deployment.deployed(part):
        return None
    answer = deployment.target.cloudformation.get_template(StackName=deployment.stack(part))
    template: Any = answer["TemplateBody"]
    return dict(template)


def changed_parts(deployment: Deployment, cdk: Cdk) -> list[str]:
    """Return the stacks that are not what the synthesized template says."""
    unsettled = unsettled_parts(deployment)
    return [
        part
        for part in PARTS
        if part in unsettled
        or deployed_template(deployment, part) != cdk.template(deployment.stack(part))
    ]


def unsettled_parts(deployment: Deployment) -> dict[str, str]:
    """Return the stacks whose last deployment did not succeed, with their status.

    Such a stack has the template of that deployment, and not what is in it.
    """
    statuses = {part: deployment.target.stack_status(deployment.stack(part)) for part in PARTS}
    return {part: each for part, each in statuses.items() if each and each not in SETTLED}


def created_resources(deployment: Deployment, cdk: Cdk) -> dict[str, Counter[str]]:
    """Count the resources of each stack that is not there yet, by type."""
    templates = {
        deployment.stack(part): cdk.template(deployment.stack(part))
        for part in PARTS
        if not deployment.deployed(part)
    }
    return {
        stack: Counter(resource["Type"] for resource in template["Resources"].values())
        for stack, template in templates.items()
    }


def definition_changes(deployment: Deployment, cdk: Cdk) -> list[str]:
    """Compare the deployed state machine with the synthesized one, state by state."""
    template = deployed_template(deployment, "training")
    before = _definition(template or {})
    after = _definition(cdk.template(deployment.stack("training")))
    if before is None or after is None:
        return []
    old, new = _parts(before), _parts(after)
    names = [*old, *(name for name in new if name not in old)]
    return [line for name in names for line in _difference(name, old.get(name), new.get(name))]


def _definition(template: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a template's state machine, with names in place of references."""
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == _STATE_MACHINE:
            text = _joined(resource["Properties"]["DefinitionString"])
            definition: dict[str, Any] = json.loads(text)
            return definition
    return None


def _parts(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the states of a definition by name, and what it says besides them."""
    besides = {name: value for name, value in definition.items() if name != "States"}
    states = {f"state {name}": state for name, state in definition["States"].items()}
    return {"state machine": besides, **states}


def _difference(name: str, before: Any, after: Any) -> list[str]:
    old, new = _pretty(before), _pretty(after)
    names = (f"{name} as it is deployed", f"{name} as it will be")
    return list(difflib.unified_diff(old, new, *names, lineterm=""))


def _pretty(part: Any) -> list[str]:
    return [] if part is None else json.dumps(part, indent=2, sort_keys=True).splitlines()


def _joined(value: Any) -> str:
    """Resolve ``Fn::Join``; a reference becomes ``${LogicalId.Attribute}``."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_joined(part) for part in parts)
    function, argument = next(iter(value.items()))
    if function in ("Ref", "Fn::ImportValue"):
        return f"${{{_joined(argument)}}}"
    return f"${{{'.'.join(map(str, argument)) if isinstance(argument, list) else argument}}}"
