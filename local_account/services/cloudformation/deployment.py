"""CloudFormation: bring a stack to a version, back to the one before, or to its end.

Where CloudFormation starts all resources at once that wait for nothing, the events say so;
the work is done one resource after the other.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any

from local_account.service import ServiceError
from local_account.services.cloudformation.intrinsics import Scope
from local_account.services.cloudformation.resource_type import with_stack_tags
from local_account.services.cloudformation.resources import (
    Change,
    ResourceFailed,
    Resources,
    worded,
)
from local_account.services.cloudformation.stacks import (
    Output,
    Registry,
    Stack,
    StackResource,
    Version,
    outputs_of,
    present,
)
from local_account.services.cloudformation.templates import creation_order, dependencies

_RETAINED = ("Retain", "RetainExceptOnCreate")


class _Failed(Exception):
    """The operation on a stack failed; the text is the reason that CloudFormation gives."""


class Deployments:
    """Create, update, roll back and delete stacks."""

    def __init__(self, registry: Registry, resources: Resources) -> None:
        self._registry, self._resources = registry, resources

    def create(self, stack: Stack, on_failure: str = "ROLLBACK") -> None:
        """Create the resources of a new stack, or do with it what `on_failure` says."""
        try:
            self._apply(stack)
        except _Failed as failure:
            if on_failure == "DO_NOTHING":
                stack.enter("CREATE_FAILED", str(failure))
            elif on_failure == "DELETE":
                stack.enter("DELETE_IN_PROGRESS", str(failure))
                self.delete(stack)
            else:
                self._fall_back(stack, str(failure))
        else:
            stack.enter("CREATE_COMPLETE")

    def update(self, stack: Stack, *, roll_back: bool = True) -> None:
        """Bring a stack to its new version, or back if that fails."""
        try:
            self._apply(stack)
        except _Failed as failure:
            if roll_back:
                self._fall_back(stack, str(failure))
            else:
                stack.enter("UPDATE_FAILED", str(failure))
            return
        stack.former = None
        stack.enter("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(stack, "UpdateReplacePolicy", _RETAINED)
        stack.enter("UPDATE_COMPLETE")

    def undo(self, stack: Stack, why: str, skip: Collection[str] = ()) -> None:
        """Go back to the version before the update that failed, or delete what was created."""
        if stack.former is None:
            self._undo_creation(stack, why)
        else:
            self._undo_update(stack, *stack.former, why, skip)

    def _fall_back(self, stack: Stack, why: str) -> None:
        stack.enter("UPDATE_ROLLBACK_IN_PROGRESS" if stack.former else "ROLLBACK_IN_PROGRESS", why)
        self.undo(stack, why)

    def _undo_creation(self, stack: Stack, why: str) -> None:
        if failed := self._delete_all(stack, ("Retain",)):
            stack.enter("ROLLBACK_FAILED", _undeleted(failed))
        else:
            stack.enter("ROLLBACK_COMPLETE", why)

    def _undo_update(
        self,
        stack: Stack,
        former: dict[str, StackResource],
        version: Version,
        why: str,
        skip: Collection[str],
    ) -> None:
        """Give every resource its former properties again, and delete what was added."""
        failed = [
            name
            for name in _creation_order(former.values())
            if name not in skip and not self._restore(stack, former[name])
        ]
        if failed:
            what = f"The following resource(s) failed to update: [{', '.join(failed)}]."
            stack.enter("UPDATE_ROLLBACK_FAILED", what)
            return
        added = [each for name, each in stack.resources.items() if name not in former]
        stack.resources = {name: stack.resources[name] for name in former}
        kept = {(each.type_name, each.physical_id) for each in stack.resources.values()}
        stack.leftover = [
            each
            for each in (*stack.leftover, *added)
            if (each.type_name, each.physical_id) not in kept
        ]
        stack.version, stack.former = version, None
        stack.enter("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(stack, "DeletionPolicy", ("Retain",))
        stack.enter("UPDATE_ROLLBACK_COMPLETE", why)

    def delete(self, stack: Stack, skip: Collection[str] = ()) -> None:
        """Delete a stack, or say what is in the way."""
        for name in stack.exports:
            if users := self._users(stack, name):
                what = f"Cannot delete export {name} as it is in use by {users}."
                stack.enter("DELETE_FAILED", f"Delete canceled. {what}")
                return
        if failed := self._delete_all(stack, _RETAINED, skip):
            stack.enter("DELETE_FAILED", _undeleted(failed))
            return
        stack.deleted_at = datetime.now(UTC)
        stack.enter("DELETE_COMPLETE")

    def _apply(self, stack: Stack) -> None:
        """Create, change and replace resources until the stack is what its version says."""
        version = stack.version
        imported: set[str] = set()
        scope = self._registry.scope(stack, version, stack.resources, imported)
        try:
            wanted = present(version, scope)
            needs = {name: dependencies(each) & set(wanted) for name, each in wanted.items()}
            order = TopologicalSorter(needs)
            order.prepare()
            while order.is_active():
                started = order.get_ready()
                ready = [name for name in wanted if name in started]
                self._carry_out(stack, [_change(stack, wanted, scope, name) for name in ready])
                order.done(*started)
            outputs = list(outputs_of(version, scope))
        except _Failed:
            raise
        except Exception as error:  # whatever it is, the stack is not left as it is
            raise _Failed(worded(error)) from error
        self._check_exports(stack, outputs)
        gone = [each for name, each in stack.resources.items() if name not in wanted]
        stack.leftover += [stack.resources.pop(name) for name in _creation_order(gone)]
        stack.outputs, stack.imports = outputs, imported

    def _carry_out(self, stack: Stack, changes: list[Change]) -> None:
        for change in changes:
            if change.none and change.now:  # its policies and dependencies may be others
                name, definition = change.logical_id, change.definition
                stack.resources[name] = replace(change.now, definition=definition)
        changes = [change for change in changes if not change.none]
        for change in changes:
            self._resources.announce(stack, change)
        for number, change in enumerate(changes):
            try:
                self._resources.apply(stack, change)
            except ResourceFailed as failure:
                for other in changes[number + 1 :]:
                    self._resources.cancel(stack, other)
                done = "create" if change.now is None else "update"
                what = f"The following resource(s) failed to {done}: [{change.logical_id}]."
                raise _Failed(f"{what} {failure}") from failure

    def _restore(self, stack: Stack, former: StackResource) -> bool:
        """Make a resource again what it was before the update; tell whether that worked."""
        name, now = former.logical_id, stack.resources.get(former.logical_id, former)
        if (now.type_name, now.physical_id) != (former.type_name, former.physical_id):
            stack.leftover.append(now)
            stack.resources[name] = former
            return True
        change = Change(name, former.definition, former.properties, now)
        stack.resources[name] = former if change.none else now
        if change.none:
            return True
        self._resources.announce(stack, change)
        try:
            self._resources.apply(stack, change)
        except ResourceFailed:
            return False
        return True

    def _clean_up(self, stack: Stack, policy: str, retained: Collection[str]) -> None:
        """Delete what an update left over; what cannot be deleted is let go, as on AWS.

        What was replaced follows `policy`, what the template no longer has its DeletionPolicy.
        """
        for resource in reversed(stack.leftover):
            replaced = resource.logical_id in stack.resources
            said = resource.definition.get(policy if replaced else "DeletionPolicy", "Delete")
            self._delete_unless(stack, resource, said in retained)
        stack.leftover = []

    def _delete_all(
        self, stack: Stack, retained: Collection[str], skip: Collection[str] = ()
    ) -> list[str]:
        """Delete the resources, each before those it needs; return those that are still there."""
        needed: set[str] = set()
        failed = []
        for name in reversed(_creation_order(stack.resources.values())):
            resource = stack.resources[name]
            keeps = name in skip or resource.definition.get("DeletionPolicy") in retained
            if name in needed or not self._delete_unless(stack, resource, keeps):
                failed.append(name)
                needed |= dependencies(resource.definition)
            else:
                del stack.resources[name]
        self._clean_up(stack, "DeletionPolicy", retained)
        if not failed:
            stack.outputs, stack.imports = [], set()
        return failed

    def _delete_unless(self, stack: Stack, resource: StackResource, kept: bool) -> bool:
        if not kept:
            return self._resources.delete(stack, resource)
        where = (resource.logical_id, resource.type_name, resource.physical_id)
        stack.note(*where, "DELETE_SKIPPED")
        return True

    def _check_exports(self, stack: Stack, outputs: list[Output]) -> None:
        now = {each.export: each.value for each in outputs if each.export}
        for name in now:
            exporter = self._registry.exporter(name)
            if exporter is not None and exporter is not stack:
                what = f"is already exported by stack {exporter.name}."
                raise _Failed(f"Export with name {name} {what}")
        for name, value in stack.exports.items():
            users = self._users(stack, name)
            if users and now.get(name) != value:
                verb = "updated" if name in now else "deleted"
                raise _Failed(f"Export {name} cannot be {verb} as it is in use by {users}")

    def _users(self, stack: Stack, export: str) -> str:
        others = [each for each in self._registry.importers(export) if each is not stack]
        return ", ".join(each.name for each in others)


def _change(stack: Stack, wanted: dict[str, Any], scope: Scope, name: str) -> Change:
    definition, now = wanted[name], stack.resources.get(name)
    try:
        properties = scope.resolve(definition.get("Properties", {}))
    except ServiceError as error:  # a function of the template that cannot be carried out
        verb = "UPDATE" if now else "CREATE"
        stack.note(name, definition["Type"], "", f"{verb}_FAILED", error.message)
        raise
    tagged = with_stack_tags(definition["Type"], properties, stack.version.tags)
    return Change(name, definition, tagged, now)


def _creation_order(resources: Iterable[StackResource]) -> list[str]:
    return creation_order({each.logical_id: each.definition for each in resources})


def _undeleted(names: list[str]) -> str:
    return f"The following resource(s) failed to delete: [{', '.join(names)}]."
