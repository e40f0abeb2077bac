"""CloudFormation: a stack, its resources and what happened to them."""

import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.intrinsics import Scope, invalid
from local_account.services.cloudformation.templates import Template

UNFINISHED = {"CREATE_FAILED", "UPDATE_FAILED"}
STACK_TYPE = "AWS::CloudFormation::Stack"
_LONGEST_REASON = 1024


@dataclass(frozen=True)
class StackResource:
    """A resource as it was last applied.

    Attributes
    ----------
    name
        Its name, the template's or a generated one.
    definition
        What the template says of it besides its properties: policies, dependencies.
    properties
        Its properties with every function in them carried out.
    stale
        Whether an update failed, so that nobody knows which properties are in force.
    """

    logical_id: str
    type_name: str
    name: str
    physical_id: str
    attributes: Mapping[str, str]
    properties: dict[str, Any]
    definition: Mapping[str, Any]
    stale: bool = False


@dataclass(frozen=True)
class Version:
    """What a stack was asked to be: its template and the values it was given."""

    body: str = ""
    template: Template = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> dict[str, Any]:
        """The resources of the template, by logical id."""
        found: dict[str, Any] = self.template.get("Resources", {})
        return found


@dataclass(frozen=True)
class Output:
    """An output of a stack, and the name under which it is exported, if it is."""

    key: str
    value: str
    description: str | None
    export: str | None


@dataclass(eq=False)
class Stack:
    """A stack: the version in force, its resources and its events.

    Attributes
    ----------
    former
        The resources and the version before the update under way, or before the one
        that failed: what a rollback goes back to.
    leftover
        Resources that were replaced or removed, to be deleted in the cleanup.
    """

    stack_id: str
    name: str
    status: str = ""
    status_reason: str = ""
    version: Version = field(default_factory=Version)
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    former: "tuple[dict[str, StackResource], Version] | None" = None
    leftover: list[StackResource] = field(default_factory=list)
    protected: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    token: str | None = None

    @property
    def is_in_work(self) -> bool:
        """Tell whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def exports(self) -> dict[str, str]:
        """The values that the stack exports, by name."""
        return {each.export: each.value for each in self.outputs if each.export}

    def take(self, version: Version) -> None:
        """Be asked to become a version, and keep what there is for a rollback."""
        if self.status and self.status not in (*UNFINISHED, "REVIEW_IN_PROGRESS"):
            self.former = dict(self.resources), self.version
        if self.status not in ("", "REVIEW_IN_PROGRESS"):
            self.updated_at = datetime.now(UTC)
        self.version = version

    def enter(self, status: str, reason: str = "") -> None:
        """Give the stack a new status, and say so."""
        self.status, self.status_reason = status, reason
        self._add_event(self.name, STACK_TYPE, self.stack_id, status, reason)

    def note(
        self,
        logical_id: str,
        type_name: str,
        physical_id: str,
        status: str,
        reason: str = "",
        properties: str | None = None,
    ) -> None:
        """Say what happens to a resource."""
        event = self._add_event(logical_id, type_name, physical_id, status, reason)
        if properties is not None:
            event["ResourceProperties"] = properties
        self.latest[logical_id] = event

    def _add_event(
        self, logical_id: str, type_name: str, physical_id: str, status: str, reason: str
    ) -> dict[str, Any]:
        event = {
            "StackId": self.stack_id,
            "EventId": f"{logical_id}-{status}-{uuid.uuid4()}",
            "StackName": self.name,
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": type_name,
            "Timestamp": datetime.now(UTC),
            "ResourceStatus": status,
            "ResourceStatusReason": reason[:_LONGEST_REASON] or None,
            "ClientRequestToken": self.token,
        }
        self.events.append(event)
        return event


class Registry:
    """The stacks of the account, by id, and what they export to each other."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.stacks: dict[str, Stack] = {}
        self.lock = threading.Condition()
        """Held while a stack is looked at and taken into work, not while that goes on."""

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Tell those who wait for a stack when the work on it has ended."""
        try:
            yield
        finally:
            with self.lock:
                self.lock.notify_all()

    def found(self, name_or_id: str) -> Stack | None:
        """Return the stack with a name, or with an id: then deleted ones too."""
        if name_or_id in self.stacks:
            return self.stacks[name_or_id]
        return next((stack for stack in self.living() if stack.name == name_or_id), None)

    def living(self) -> list[Stack]:
        """Return the stacks that are not deleted."""
        return [each for each in self.stacks.values() if each.status != "DELETE_COMPLETE"]

    def exporter(self, name: str) -> Stack | None:
        """Return the stack that exports a name."""
        return next((stack for stack in self.living() if name in stack.exports), None)

    def importers(self, name: str) -> list[Stack]:
        """Return the stacks that import a name."""
        return [stack for stack in self.living() if name in stack.imports]

    def pseudo_parameters(self, stack: Stack) -> dict[str, Any]:
        """Return what a stack's template can refer to without declaring it."""
        return {
            "AWS::AccountId": self._account.account_id,
            "AWS::NotificationARNs": stack.options.get("NotificationARNs", []),
            "AWS::Partition": "aws",
            "AWS::Region": self._account.region,
            "AWS::StackId": stack.stack_id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def scope(
        self, stack: Stack, version: Version, resources: Mapping[str, Any], imported: set[str]
    ) -> Scope:
        """Return the scope of a version of a stack; names it imports are added to `imported`."""

        def export(name: str) -> str:
            imported.add(name)
            exporter = self.exporter(name)
            if exporter is None:
                raise invalid(f"No export named {name} found.")
            return exporter.exports[name]

        values = {**version.values, **self.pseudo_parameters(stack)}
        return Scope(version.template, values, resources, export)


def present(version: Version, scope: Scope) -> dict[str, Any]:
    """Return the resources of a version whose conditions hold."""
    return {
        logical_id: resource
        for logical_id, resource in version.resources.items()
        if "Condition" not in resource or scope.holds(resource["Condition"])
    }


def outputs_of(version: Version, scope: Scope) -> Iterable[Output]:
    """Yield the outputs of a version whose conditions hold."""
    for key, output in version.template.get("Outputs", {}).items():
        if "Condition" not in output or scope.holds(output["Condition"]):
            export = output.get("Export")
            name = scope.text(export["Name"]) if export else None
            yield Output(key, scope.text(output["Value"]), output.get("Description"), name)
