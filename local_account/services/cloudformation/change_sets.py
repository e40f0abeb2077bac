"""CloudFormation: what a change set would change, told before it is executed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_account.service import ServiceError
from local_account.services.cloudformation.intrinsics import KNOWN_LATER
from local_account.services.cloudformation.resource_type import ResourceType, with_stack_tags
from local_account.services.cloudformation.stacks import (
    Registry,
    Stack,
    StackResource,
    Version,
    present,
)
from local_account.services.cloudformation.templates import creation_order

NO_CHANGES = (
    "The submitted information didn't contain changes. "
    "Submit different information to create a change set."
)


@dataclass
class ChangeSet:
    """A change set: the version that its execution brings its stack to."""

    change_set_id: str
    name: str
    stack: Stack
    kind: str
    version: Version
    changes: list[dict[str, Any]]
    options: dict[str, Any]
    status: str = "CREATE_COMPLETE"
    status_reason: str | None = None
    execution_status: str = "AVAILABLE"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def summary(self) -> dict[str, Any]:
        """Return the change set as a list of them has it."""
        return {
            "StackId": self.stack.stack_id,
            "StackName": self.stack.name,
            "ChangeSetId": self.change_set_id,
            "ChangeSetName": self.name,
            "ExecutionStatus": self.execution_status,
            "Status": self.status,
            "StatusReason": self.status_reason,
            "CreationTime": self.created_at,
            "Description": self.options.get("Description"),
            "IncludeNestedStacks": False,
        }


@dataclass(frozen=True)
class _Later:
    """A resource that is to be created, of which nothing is known yet."""

    physical_id: str = KNOWN_LATER
    attributes: Mapping[str, str] = field(default_factory=dict)


class Plan:
    """What bringing a stack to a version would change."""

    def __init__(
        self,
        registry: Registry,
        types: Mapping[str, ResourceType],
        stack: Stack,
        version: Version,
    ) -> None:
        self._types, self._stack, self._version = types, stack, version
        self._resources: dict[str, StackResource | _Later] = dict(stack.resources)
        self._scope = registry.scope(stack, version, self._resources, set())
        self._wanted = present(version, self._scope)

    def changes(self) -> list[dict[str, Any]]:
        """Return the changes as DescribeChangeSet has them."""
        found = []
        for name in creation_order(self._wanted):
            now = self._stack.resources.get(name)
            if now is None:
                self._resources[name] = _Later()
                found.append(_change("Add", name, self._wanted[name]["Type"], None))
            elif change := self._modified(name, now):
                if change["ResourceChange"]["Replacement"] == "True":
                    self._resources[name] = _Later()
                found.append(change)
        for name, now in self._stack.resources.items():
            if name not in self._wanted:
                policy = {"Delete": "Delete"}.get(now.definition.get("DeletionPolicy", "Delete"))
                gone = _change("Remove", name, now.type_name, now)
                gone["ResourceChange"]["PolicyAction"] = policy or "Retain"
                found.append(gone)
        return found

    def differs(self) -> bool:
        """Tell whether there is anything to do: resources, or outputs, or tags."""
        before = self._stack.version
        sections = ("Outputs", "Conditions")
        return (
            bool(self.changes())
            or any(
                before.template.get(name) != self._version.template.get(name) for name in sections
            )
            or (dict(before.values), before.tags)
            != (dict(self._version.values), self._version.tags)
        )

    def _modified(self, name: str, now: StackResource) -> dict[str, Any] | None:
        definition = self._wanted[name]
        try:
            resolved = self._scope.resolve(definition.get("Properties", {}))
            properties = with_stack_tags(definition["Type"], resolved, self._version.tags)
        except ServiceError:  # an export that is not there yet, say: the execution will tell
            properties = {}
        kind = self._types[definition["Type"]]
        changed = sorted(
            each
            for each in now.properties.keys() | properties.keys()
            if now.stale or now.properties.get(each) != properties.get(each)
        )
        details = [
            _detail(
                each,
                kind.replaces({each: now.properties.get(each)}, {each: properties.get(each)}),
                properties.get(each),
            )
            for each in changed
        ]
        scope = sorted({"Tags" if each == "Tags" else "Properties" for each in changed})
        for attribute in ("DeletionPolicy", "UpdateReplacePolicy", "Metadata"):
            if now.definition.get(attribute) != definition.get(attribute):
                scope.append(attribute)
                details.append(_detail_of_attribute(attribute))
        if now.type_name == definition["Type"] and not scope:
            return None
        change = _change("Modify", name, definition["Type"], now)
        replaced = {each["Target"].get("RequiresRecreation") for each in details}
        change["ResourceChange"].update(
            Replacement="True"
            if "Always" in replaced or now.type_name != definition["Type"]
            else "Conditional"
            if "Conditionally" in replaced
            else "False",
            Scope=scope,
            Details=details,
        )
        return change


def _detail(name: str, replaces: bool, wanted: Any) -> dict[str, Any]:
    later = KNOWN_LATER in json.dumps(wanted)
    recreation = ("Conditionally" if later else "Always") if replaces else "Never"
    target = (
        {"Attribute": "Tags", "RequiresRecreation": "Never"}
        if name == "Tags"
        else {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}
    )
    evaluation = "Dynamic" if later else "Static"
    return {"Target": target, "Evaluation": evaluation, "ChangeSource": "DirectModification"}


def _detail_of_attribute(attribute: str) -> dict[str, Any]:
    return {
        "Target": {"Attribute": attribute, "RequiresRecreation": "Never"},
        "Evaluation": "Static",
        "ChangeSource": "DirectModification",
    }


def _change(
    action: str, logical_id: str, type_name: str, now: StackResource | None
) -> dict[str, Any]:
    change: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "ResourceType": type_name,
        "Scope": [],
        "Details": [],
    }
    if now:
        change["PhysicalResourceId"] = now.physical_id
    return {"Type": "Resource", "ResourceChange": change}
