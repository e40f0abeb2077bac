"""CloudFormation: create, change, replace and delete one resource of a stack."""

import json
import secrets
import string
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from local_account.service import Account, ServiceError
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    Unchangeable,
)
from local_account.services.cloudformation.stacks import Stack, StackResource

_ALPHABET = string.ascii_uppercase + string.digits
_LONGEST_NAME = 63  # of a generated name; what AWS allows differs by type
_REPLACED = "Requested update requires the creation of a new physical resource; hence creating one."


class ResourceFailed(Exception):
    """A resource could not be brought to what its template says; the text says why."""


@dataclass(frozen=True)
class Change:
    """What is to become of one resource: what it is now (if it is), and what is wanted."""

    logical_id: str
    definition: Mapping[str, object]
    properties: Properties
    now: StackResource | None

    @property
    def type_name(self) -> str:
        """The type that is wanted."""
        return str(self.definition["Type"])

    @property
    def verb(self) -> str:
        """How events call the change."""
        return "UPDATE" if self.now else "CREATE"

    @property
    def none(self) -> bool:
        """Tell whether the resource is what is wanted already."""
        now = self.now
        return (
            now is not None
            and not now.stale
            and now.type_name == self.type_name
            and (now.properties == self.properties)
        )


class Resources:
    """The resources of stacks, as calls to the account's APIs; each says so in its stack."""

    def __init__(self, account: Account, types: Mapping[str, ResourceType]) -> None:
        self._account, self._types = account, types

    def replaces(self, change: Change) -> bool:
        """Tell whether a change makes CloudFormation replace the resource."""
        if change.now is None:
            return False
        kind = self._types[change.type_name]
        return change.now.type_name != change.type_name or kind.replaces(
            change.now.properties, change.properties
        )

    def announce(self, stack: Stack, change: Change) -> None:
        """Say that a change begins."""
        reason = _REPLACED if self.replaces(change) else ""
        status = f"{change.verb}_IN_PROGRESS"
        stack.note(change.logical_id, change.type_name, _id_of(change.now), status, reason)

    def cancel(self, stack: Stack, change: Change) -> None:
        """Say that a change that began is given up, for another one failed."""
        noun = "creation" if change.now is None else "update"
        reason, status = f"Resource {noun} cancelled", f"{change.verb}_FAILED"
        stack.note(change.logical_id, change.type_name, _id_of(change.now), status, reason)

    def apply(self, stack: Stack, change: Change) -> None:
        """Make a resource what is wanted.

        Raises
        ------
        ResourceFailed
            If that fails; the resource is then what it was, or is known to be stale.
        """
        name, now = change.logical_id, change.now
        try:
            if now is None or self.replaces(change):
                self._create(stack, change)
            else:
                self._update(stack, change, now)
        except Exception as error:  # whatever a resource raises fails its stack
            reason = worded(error)
            status, there = f"{change.verb}_FAILED", stack.resources.get(name)
            stack.note(name, change.type_name, _id_of(there), status, reason)
            raise ResourceFailed(reason) from error
        resource, text = stack.resources[name], json.dumps(change.properties)
        status = f"{change.verb}_COMPLETE"
        stack.note(name, resource.type_name, resource.physical_id, status, properties=text)

    def delete(self, stack: Stack, resource: StackResource) -> bool:
        """Delete a resource; tell whether it is gone."""
        kind = self._types[resource.type_name]
        where = (resource.logical_id, resource.type_name, resource.physical_id)
        stack.note(*where, "DELETE_IN_PROGRESS")
        try:
            kind.delete(self._account, resource.physical_id, _named(kind, resource))
        except Exception as error:  # noqa: BLE001 - whatever it raises fails its deletion
            stack.note(*where, "DELETE_FAILED", worded(error))
            return False
        stack.note(*where, "DELETE_COMPLETE")
        return True

    def _create(self, stack: Stack, change: Change) -> None:
        """Create a resource; what is created is known to the stack before it is complete."""
        kind, now, type_name = self._types[change.type_name], change.now, change.type_name
        custom = change.properties.get(kind.name_property)
        if now and custom and custom == now.properties.get(kind.name_property):
            raise ResourceFailed(
                "CloudFormation cannot update a stack when a custom-named resource requires "
                f"replacing. Rename {custom} and update the stack again."
            )
        name = str(custom or _generated(stack, change))
        named = {kind.name_property: name} if kind.name_property else {}
        properties = {**change.properties, **named}
        created = kind.create(self._account, name, properties)
        resource = _resource(change, name, created)
        if now and (now.type_name, now.physical_id) != (type_name, created.physical_id):
            stack.leftover.append(now)
        stack.resources[change.logical_id] = replace(resource, stale=True)
        status, initiated = f"{change.verb}_IN_PROGRESS", "Resource creation Initiated"
        stack.note(change.logical_id, type_name, created.physical_id, status, initiated)
        if kind.configure is not None:
            kind.configure(self._account, created.physical_id, properties, {})
        stack.resources[change.logical_id] = resource

    def _update(self, stack: Stack, change: Change, now: StackResource) -> None:
        kind = self._types[change.type_name]
        wanted = replace(now, properties=change.properties, definition=change.definition)
        # tried once more, all of it is set: nobody knows how far the first try went
        before = _named(kind, now) if now.properties != change.properties else {}
        after = _named(kind, wanted)
        try:
            for step in (kind.update, kind.configure):
                if step is not None:
                    step(self._account, now.physical_id, after, before)
        except Unchangeable:
            raise
        except Exception:
            stack.resources[now.logical_id] = replace(wanted, definition=now.definition, stale=True)
            raise
        stack.resources[now.logical_id] = replace(wanted, stale=False)


def _resource(change: Change, name: str, created: Created) -> StackResource:
    return StackResource(
        logical_id=change.logical_id,
        type_name=change.type_name,
        name=name,
        physical_id=created.physical_id,
        attributes=created.attributes,
        properties=change.properties,
        definition=change.definition,
    )


def _named(kind: ResourceType, resource: StackResource) -> Properties:
    named = {kind.name_property: resource.name} if kind.name_property else {}
    return {**resource.properties, **named}


def _generated(stack: Stack, change: Change) -> str:
    end = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    start = f"{stack.name}-{change.logical_id}"[: _LONGEST_NAME - 13]
    name = f"{start.rstrip('-')}-{end}"
    return name.lower() if change.type_name == "AWS::S3::Bucket" else name


def _id_of(resource: StackResource | None) -> str:
    return resource.physical_id if resource else ""


def worded(error: Exception) -> str:
    """Return the reason that events give for an error."""
    if isinstance(error, ClientError):
        answered = error.response
        code, message = answered["Error"]["Code"], answered["Error"].get("Message", "")
        status = answered.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        where = f"Service: {error.operation_name}; Status Code: {status}; Error Code: {code}"
        return f"{message} ({where})"
    expected = (BotoCoreError, ResourceFailed, ServiceError, Unchangeable, ValueError)
    if not isinstance(error, expected):
        traceback.print_exception(error)
    return error.message if isinstance(error, ServiceError) else str(error)
