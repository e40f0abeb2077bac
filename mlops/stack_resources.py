"""What a deployed stack consists of, and what its deletion will do to each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops.target import Deployment


@dataclass(frozen=True)
class StackResource:
    """One resource: its type, its name in the account, its properties in the template."""

    logical_id: str
    type: str
    physical_id: str
    retained: bool
    properties: Any


def stack_resources(deployment: Deployment, part: str) -> list[StackResource]:
    """Read the resources of a stack, none where it is not deployed."""
    if not deployment.deployed(part):
        return []
    stack, client = deployment.stack(part), deployment.target.cloudformation
    template: Any = client.get_template(StackName=stack)["TemplateBody"]
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    physical = {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for page in pages
        for each in page["StackResourceSummaries"]
    }
    return [
        StackResource(
            logical_id=logical_id,
            type=resource["Type"],
            physical_id=physical[logical_id],
            retained=resource.get("DeletionPolicy", "Delete") != "Delete",
            properties=resource.get("Properties", {}),
        )
        for logical_id, resource in template["Resources"].items()
        # one that is not there was deleted, or its condition does not hold
        if physical.get(logical_id)
    ]
