"""CloudFormation: the operations of its API."""

import uuid
from collections.abc import Mapping
from typing import Any

from local_account.service import Account, JsonService, ServiceError
from local_account.services.cloudformation import answers
from local_account.services.cloudformation.change_sets import NO_CHANGES, ChangeSet, Plan
from local_account.services.cloudformation.deployment import Deployments
from local_account.services.cloudformation.intrinsics import invalid
from local_account.services.cloudformation.resource_type import ResourceType
from local_account.services.cloudformation.resources import Resources
from local_account.services.cloudformation.stacks import Registry, Stack
from local_account.services.cloudformation.versions import Versions

Params = dict[str, Any]

_UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
_UNFINISHED = {"CREATE_FAILED", "UPDATE_FAILED"}


class CloudFormation(JsonService):
    """Stacks and change sets; an operation answers when the stack is done with it."""

    service_name = "cloudformation"
    refusal = "ValidationError"

    def __init__(self, account: Account, types: Mapping[str, ResourceType]) -> None:
        super().__init__(account)
        self._registry, self._types = Registry(account), types
        self._versions = Versions(account, self._registry, types)
        self._deployments = Deployments(self._registry, Resources(account, types))
        self._change_sets: dict[str, ChangeSet] = {}

    def create_stack(self, params: Params) -> Params:
        """Create a stack."""
        if self._registry.found(params["StackName"]):
            message = f"Stack [{params['StackName']}] already exists"
            raise ServiceError("AlreadyExistsException", message)
        if "DisableRollback" in params and "OnFailure" in params:
            raise invalid("Only one of DisableRollback and OnFailure can be specified.")
        stack = self._new(params)
        version = self._versions.asked(stack, params)
        self._registry.stacks[stack.stack_id] = stack
        on_failure = params.get("OnFailure", _on_failure(params))
        with stack.lock:
            self._deployments.create(stack, version, on_failure)
        return {"StackId": stack.stack_id}

    def update_stack(self, params: Params) -> Params:
        """Bring a stack to another version."""
        stack = self._living(params["StackName"])
        self._check_updatable(stack, params)
        version = self._versions.asked(stack, params)
        if not Plan(self._registry, self._types, stack, version).differs():
            raise invalid("No updates are to be performed.")
        for change_set in self._of(stack):
            change_set.execution_status = "OBSOLETE"
        _remember(stack, params)
        with stack.lock:
            self._deployments.update(stack, version, roll_back=not params.get("DisableRollback"))
        return {"StackId": stack.stack_id}

    def delete_stack(self, params: Params) -> None:
        """Delete a stack; one that is gone already is fine."""
        stack = self._registry.found(params["StackName"])
        if stack is None or stack.status == "DELETE_COMPLETE":
            return
        if params.get("DeletionMode", "STANDARD") != "STANDARD":
            message = "The embedded account does not model DeletionMode; leave it out."
            raise ServiceError("UnsupportedOperation", message, 501)
        if stack.protected:
            what = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            raise invalid(what)
        retained = params.get("RetainResources", [])
        if retained and stack.status != "DELETE_FAILED":
            raise invalid("RetainResources is only for stacks in the DELETE_FAILED state.")
        with stack.lock:
            stack.token = params.get("ClientRequestToken")
            self._deployments.delete(stack, retained)
        if stack.status == "DELETE_COMPLETE":
            self._forget_change_sets(stack)

    def continue_update_rollback(self, params: Params) -> None:
        """Go on with the rollback of an update that failed too."""
        stack = self._living(params["StackName"])
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise _in_wrong_state(stack, "continue rollback")
        with stack.lock:
            self._deployments.undo_update(stack, "", params.get("ResourcesToSkip", []))

    def rollback_stack(self, params: Params) -> Params:
        """Go back to the last stable version, where a failure was let be."""
        stack = self._living(params["StackName"])
        if stack.status not in _UNFINISHED:
            raise _in_wrong_state(stack, "be rolled back")
        with stack.lock:
            if stack.former is None:
                self._deployments.undo_creation(stack, "User Initiated")
            else:
                self._deployments.undo_update(stack, "User Initiated")
        return {"StackId": stack.stack_id}

    def cancel_update_stack(self, params: Params) -> None:
        """Refuse: no update is under way by the time it was answered."""
        self._living(params["StackName"])
        raise invalid("CancelUpdateStack cannot be called from current stack status")

    def update_termination_protection(self, params: Params) -> Params:
        """Protect a stack from being deleted, or no longer."""
        stack = self._living(params["StackName"])
        stack.protected = params["EnableTerminationProtection"]
        return {"StackId": stack.stack_id}

    def create_change_set(self, params: Params) -> Params:
        """Note what would change, for it to be executed later."""
        kind, name = params.get("ChangeSetType", "UPDATE"), params["ChangeSetName"]
        stack = self._stack_to_change(kind, params)
        version = self._versions.asked(stack, params)
        if any(each.name == name for each in self._of(stack)):
            raise ServiceError("AlreadyExistsException", f"ChangeSet {name} already exists")
        plan = Plan(self._registry, self._types, stack, version)
        arn = self.account.arn("cloudformation", f"changeSet/{name}/{uuid.uuid4()}")
        change_set = ChangeSet(arn, name, stack, kind, version, plan.changes(), params)
        if kind == "UPDATE" and not plan.differs():
            change_set.status, change_set.status_reason = "FAILED", NO_CHANGES
            change_set.execution_status = "UNAVAILABLE"
        if stack.stack_id not in self._registry.stacks:
            self._registry.stacks[stack.stack_id] = stack
            stack.enter("REVIEW_IN_PROGRESS", "User Initiated")
        self._change_sets[arn] = change_set
        return {"Id": arn, "StackId": stack.stack_id}

    def describe_change_set(self, params: Params) -> Params:
        """Return a change set and what it would change."""
        found = self._change_set(params)
        options = found.options
        changes, token = answers.page(found.changes, params.get("NextToken"))
        return {
            **found.summary(),
            "Changes": changes,
            "NextToken": token,
            "Parameters": answers.parameters_of(found.version),
            "Tags": answers.tags_of(found.version),
            "Capabilities": options.get("Capabilities", []),
            "NotificationARNs": [],
            "RollbackConfiguration": {},
            "OnStackFailure": options.get("OnStackFailure"),
        }

    def execute_change_set(self, params: Params) -> None:
        """Bring the stack to the version of a change set; its other change sets are gone then."""
        found = self._change_set(params)
        stack = found.stack
        if found.execution_status != "AVAILABLE":
            state = (
                f"status of [{found.status}]"
                if found.status == "FAILED"
                else f"execution status of [{found.execution_status}]"
            )
            message = f"ChangeSet [{found.change_set_id}] cannot be executed in its current {state}"
            raise ServiceError("InvalidChangeSetStatusException", message)
        on_failure = found.options.get("OnStackFailure", _on_failure(params))
        if found.kind == "UPDATE":
            self._check_updatable(stack, params)
        found.execution_status = "EXECUTE_IN_PROGRESS"
        for other in self._of(stack):
            if other is not found:
                del self._change_sets[other.change_set_id]
        _remember(stack, {**found.options, **params})
        with stack.lock:
            if found.kind == "CREATE":
                self._deployments.create(stack, found.version, on_failure)
            else:
                roll_back = on_failure != "DO_NOTHING"
                self._deployments.update(stack, found.version, roll_back=roll_back)
        done = stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        found.execution_status = "EXECUTE_COMPLETE" if done else "EXECUTE_FAILED"

    def delete_change_set(self, params: Params) -> None:
        """Delete a change set; one that is gone already is fine."""
        try:
            found = self._change_set(params)
        except ServiceError as error:
            if error.code != "ChangeSetNotFoundException":
                raise
        else:
            del self._change_sets[found.change_set_id]

    def list_change_sets(self, params: Params) -> Params:
        """Return the change sets of a stack."""
        summaries = [each.summary() for each in self._of(self._living(params["StackName"]))]
        found, token = answers.page(summaries, params.get("NextToken"))
        return {"Summaries": found, "NextToken": token}

    def describe_stacks(self, params: Params) -> Params:
        """Return a stack, or all that are not deleted."""
        name = params.get("StackName")
        stacks = [self._stack(name)] if name else self._registry.living()
        found, token = answers.page([answers.stack(each) for each in stacks], _token(params))
        return {"Stacks": found, "NextToken": token}

    def list_stacks(self, params: Params) -> Params:
        """Return all stacks, deleted ones too."""
        wanted = params.get("StackStatusFilter")
        stacks = [
            each for each in self._registry.stacks.values() if not wanted or each.status in wanted
        ]
        found, token = answers.page([answers.summary(each) for each in stacks], _token(params))
        return {"StackSummaries": found, "NextToken": token}

    def describe_stack_events(self, params: Params) -> Params:
        """Return what happened to a stack, the latest first."""
        events = self._stack(params["StackName"]).events[::-1]
        found, token = answers.page(events, _token(params))
        return {"StackEvents": found, "NextToken": token}

    def describe_stack_resource(self, params: Params) -> Params:
        """Return one resource of a stack."""
        stack, name = self._stack(params["StackName"]), params["LogicalResourceId"]
        for resource in answers.resources(stack):
            if resource["LogicalResourceId"] == name:
                return {"StackResourceDetail": resource}
        raise invalid(f"Resource {name} does not exist for stack {stack.name}")

    def describe_stack_resources(self, params: Params) -> Params:
        """Return the resources of a stack, or one of them."""
        wanted = params.get("LogicalResourceId")
        found = answers.resources(self._stack(params["StackName"]))
        return {
            "StackResources": [
                each for each in found if wanted in (None, each["LogicalResourceId"])
            ]
        }

    def list_stack_resources(self, params: Params) -> Params:
        """Return a page of the resources of a stack."""
        resources = answers.resources(self._stack(params["StackName"]))
        found, token = answers.page(resources, _token(params))
        return {"StackResourceSummaries": found, "NextToken": token}

    def get_template(self, params: Params) -> Params:
        """Return the template of a stack or a change set."""
        if "ChangeSetName" in params:
            version = self._change_set(params).version
        else:
            version = self._stack(params["StackName"]).version
        return {"TemplateBody": version.body, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self, params: Params) -> Params:
        """Return what a template takes and makes."""
        if "StackName" in params:
            return answers.template_summary(self._living(params["StackName"]).version.template)
        return self.validate_template(params)

    def validate_template(self, params: Params) -> Params:
        """Return what a template takes and makes, or refuse it."""
        body = self._versions.body(params)
        template = self._versions.read(body, inline="TemplateBody" in params)
        return answers.template_summary(template)

    def list_exports(self, params: Params) -> Params:
        """Return what stacks export."""
        exports = [
            {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
            for stack in self._registry.living()
            for name, value in stack.exports.items()
        ]
        found, token = answers.page(exports, _token(params))
        return {"Exports": found, "NextToken": token}

    def list_imports(self, params: Params) -> Params:
        """Return the stacks that import a name."""
        name = params["ExportName"]
        users = [stack.name for stack in self._registry.importers(name)]
        if not users:
            raise invalid(f"Export '{name}' is not imported by any stack.")
        return {"Imports": users}

    def _new(self, params: Params) -> Stack:
        name = params["StackName"]
        arn = self.account.arn("cloudformation", f"stack/{name}/{uuid.uuid4()}")
        stack = Stack(arn, name)
        stack.protected = bool(params.get("EnableTerminationProtection"))
        _remember(stack, params)
        return stack

    def _stack_to_change(self, kind: str, params: Params) -> Stack:
        if kind not in ("CREATE", "UPDATE"):
            message = f"The embedded account does not model change sets of type {kind}."
            raise ServiceError("UnsupportedOperation", message, 501)
        name = params["StackName"]
        stack = self._registry.found(name)
        if kind == "UPDATE":
            stack = self._living(name)
            self._check_updatable(stack, params)
            return stack
        if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            changes = params["ChangeSetName"]
            what = f"already exists and cannot be created again with the changeSet [{changes}]."
            raise invalid(f"Stack [{name}] {what}")
        return stack or self._new(params)

    def _stack(self, name_or_id: str) -> Stack:
        stack = self._registry.found(name_or_id)
        if stack is None:
            raise invalid(f"Stack with id {name_or_id} does not exist")
        return stack

    def _living(self, name_or_id: str) -> Stack:
        stack = self._registry.found(name_or_id)
        if stack is None or stack.status == "DELETE_COMPLETE":
            raise invalid(f"Stack [{name_or_id}] does not exist")
        return stack

    def _check_updatable(self, stack: Stack, params: Params) -> None:
        unfinished = stack.status in _UNFINISHED
        if stack.status not in _UPDATABLE and not unfinished:
            what = f"is in {stack.status} state and can not be updated."
            raise invalid(f"Stack:{stack.stack_id} {what}")
        stack.token = params.get("ClientRequestToken")

    def _of(self, stack: Stack) -> list[ChangeSet]:
        return [each for each in list(self._change_sets.values()) if each.stack is stack]

    def _change_set(self, params: Params) -> ChangeSet:
        name, stack = params["ChangeSetName"], params.get("StackName")
        for found in reversed(list(self._change_sets.values())):
            named = name in (found.change_set_id, found.name)
            if named and stack in (None, found.stack.stack_id, found.stack.name):
                return found
        raise ServiceError("ChangeSetNotFoundException", f"ChangeSet [{name}] does not exist", 404)

    def _forget_change_sets(self, stack: Stack) -> None:
        for change_set in self._of(stack):
            del self._change_sets[change_set.change_set_id]


def _on_failure(params: Params) -> str:
    return "DO_NOTHING" if params.get("DisableRollback") else "ROLLBACK"


def _remember(stack: Stack, params: Params) -> None:
    for name in ("Capabilities", "DisableRollback", "RoleARN"):
        if name in params:
            stack.options[name] = params[name]
    stack.token = params.get("ClientRequestToken")


def _token(params: Params) -> str | None:
    token: str | None = params.get("NextToken")
    return token


def _in_wrong_state(stack: Stack, what: str) -> ServiceError:
    return invalid(f"Stack:{stack.stack_id} is in {stack.status} state and can not {what}.")
