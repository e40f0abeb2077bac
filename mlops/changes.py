"""What a deployment would change: nothing, or the state machine in words one can read."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.cdk import Cdk
    from mlops.target import Deployment

PARTS = ("storage", "training")
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


def definition_changes(deployment: Deployment, cdk: Cdk) -> list[str]:
    """Compare the deployed state machine with the synthesized one, line by line."""
    before = deployed_template(deployment, "training")
    after = cdk.template(deployment.stack("training"))
    if before is None:
        return []
    return list(
        difflib.unified_diff(
            definition_lines(before),
            definition_lines(after),
            "state machine as it is deployed",
            "state machine as it will be",
            lineterm="",
        )
    )


def definition_lines(template: Mapping[str, Any]) -> list[str]:
    """Write a template's state machine as indented JSON, with names in place of references."""
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == _STATE_MACHINE:
            text = _joined(resource["Properties"]["DefinitionString"])
            return json.dumps(json.loads(text), indent=2, sort_keys=True).splitlines()
    return []


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
