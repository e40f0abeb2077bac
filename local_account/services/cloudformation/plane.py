"""CloudFormation: the operations of its API."""

import uuid
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

from local_account.authorization.principals import Credentials
from local_account.service import Account, JsonService, ServiceError
from local_account.services.cloudformation import answers
from local_account.services.cloudformation.acting import acting, acting_role
from local_account.services.cloudformation.change_sets import NO_CHANGES, ChangeSet, Plan
from local_account.services.cloudformation.deployment import Deployments
from local_account.services.cloudformation.intrinsics import invalid
from local_account.services.cloudformation.resource_type import ResourceType
from local_account.services.cloudformation.resources import Resources
from local_account.services.cloudformation.stacks import UNFINISHED, Registry, Stack, Version
from local_account.services.cloudformation.versions import Versions

Params = dict[str, Any]

_UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", *UNFINISHED}


class CloudFormation(JsonService):
    """Stacks and change sets; an operation answers when the stack is done with it."""

    service_name = "cloudformation"
    refusal = "ValidationError"

    def __init__(self, account: Account, types: Mapping[str, ResourceType]) -> None:
        super().__init__(account)
        self._registry, self._types = Registry(account), types
        self._identities = account.identities
        self._change_sets: dict[str, ChangeSet] = {}

    def asked_by(self, caller: Credentials) -> Self:
        """Return the service as it acts for a caller: the same stacks, with the caller's rights."""
        service = copy(self)
        service.account = acting(self.account, caller)
        return service

    def create_stack(self, params: Params) -> Params:
        """Create a stack."""
        if "DisableRollback" in params and "OnFailure" in params:
            raise invalid("Only one of DisableRollback and OnFailure can be specified.")
        with self._registry.lock:
            if self._registry.found(params["StackName"]):
                message = f"Stack [{params['StackName']}] already exists"
                raise ServiceError("AlreadyExistsException", message)
            stack = self._new(params)
            version = self._version(stack, params)
            work = self._begin("CREATE_IN_PROGRESS", stack, params, version)
            self._registry.stacks[stack.stack_id] = stack
        with self._registry.awaited():
            work.create(stack, params.get("OnFailure", _on_failure(params)))
        return {"StackId": stack.stack_id}

    def update_stack(self, params: Params) -> Params:
        """Bring a stack to another version."""
        with self._registry.lock:
            stack = self._living(params["StackName"])
            _check_updatable(stack)
            version = self._version(stack, params)
            if not Plan(self._registry, self._types, stack, version).differs():
                raise invalid("No updates are to be performed.")
            work = self._begin("UPDATE_IN_PROGRESS", stack, params, version)
            for change_set in self._of(stack):
                change_set.execution_status = "OBSOLETE"
        with self._registry.awaited():
            work.update(stack, roll_back=not params.get("DisableRollback"))
        return {"StackId": stack.stack_id}

    def delete_stack(self, params: Params) -> None:
        """Delete a stack, once nothing else is done with it; one that is gone already is fine."""
        if params.get("DeletionMode", "STANDARD") != "STANDARD":
            message = "The embedded account does not model DeletionMode; leave it out."
            raise ServiceError("UnsupportedOperation", message, 501)
        retained = params.get("RetainResources", [])
        with self._registry.lock:
            stack = self._registry.found(params["StackName"])
            if stack is None:
                return
            self._registry.lock.wait_for(lambda: not stack.is_in_work)
            if stack.status == "DELETE_COMPLETE":
                return
            if stack.protected:
                what = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is"
                raise invalid(f"{what} enabled")
            if retained and stack.status != "DELETE_FAILED":
                raise invalid("RetainResources is only for stacks in the DELETE_FAILED state.")
            work = self._begin("DELETE_IN_PROGRESS", stack, params)
        with self._registry.awaited():
            work.delete(stack, retained)
        if stack.status == "DELETE_COMPLETE":
            self._forget_change_sets(stack)

    def continue_update_rollback(self, params: Params) -> None:
        """Go on with the rollback of an update that failed too."""
        with self._registry.lock:
            stack = self._living(params["StackName"])
            if stack.status != "UPDATE_ROLLBACK_FAILED":
                raise _in_wrong_state(stack, "continue rollback")
            work = self._begin("UPDATE_ROLLBACK_IN_PROGRESS", stack, params)
        with self._registry.awaited():
            work.undo(stack, "", params.get("ResourcesToSkip", []))

    def rollback_stack(self, params: Params) -> Params:
        """Go back to the last stable version, where a failure was let be."""
        with self._registry.lock:
            stack = self._living(params["StackName"])
            if stack.status not in UNFINISHED:
                raise _in_wrong_state(stack, "be rolled back")
            status = "UPDATE_ROLLBACK_IN_PROGRESS" if stack.former else "ROLLBACK_IN_PROGRESS"
            work = self._begin(status, stack, params)
        with self._registry.awaited():
            work.undo(stack, "User Initiated")
        return {"StackId": stack.stack_id}

    def update_termination_protection(self, params: Params) -> Params:
        """Protect a stack from being deleted, or no longer."""
        stack = self._living(params["StackName"])
        stack.protected = params["EnableTerminationProtection"]
        return {"StackId": stack.stack_id}

    def create_change_set(self, params: Params) -> Params:
        """Note what would change, for it to be executed later."""
        kind, name = params.get("ChangeSetType", "UPDATE"), params["ChangeSetName"]
        with self._registry.lock:
            stack = self._stack_to_change(kind, params)
            version = self._version(stack, params)
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
        with self._registry.lock:
            found = self._change_set(params)
            stack, creates = found.stack, found.kind == "CREATE"
            _check_executable(found)
            if not creates:
                _check_updatable(stack)
            status = f"{found.kind}_IN_PROGRESS"
            work = self._begin(status, stack, {**found.options, **params}, found.version)
            found.execution_status = "EXECUTE_IN_PROGRESS"
            for other in self._of(stack):
                if other is not found:
                    del self._change_sets[other.change_set_id]
        on_failure = found.options.get("OnStackFailure", _on_failure(params))
        with self._registry.awaited():
            if creates:
                work.create(stack, on_failure)
            else:
                work.update(stack, roll_back=on_failure != "DO_NOTHING")
        done = stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        found.execution_status = "EXECUTE_COMPLETE" if done else "EXECUTE_FAILED"

    def delete_change_set(self, params: Params) -> None:
        """Delete a change set; one that is gone already is fine."""
        try:
            found = self._change_set(params)
        except ServiceError as error:
            if error.code != "ChangeSetNotFound":
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

    def describe_stack_events(self, params: Params) -> Params:
        """Return what happened to a stack, the latest first."""
        events = self._stack(params["StackName"]).events[::-1]
        found, token = answers.page(events, _token(params))
        return {"StackEvents": found, "NextToken": token}

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

    def _begin(
        self, status: str, stack: Stack, params: Params, version: Version | None = None
    ) -> Deployments:
        """Let nobody else work on a stack, and return what does it, with the rights it is due."""
        account = self._account_of(stack, params)
        for name in ("Capabilities", "DisableRollback", "RoleARN"):
            if name in params:
                stack.options[name] = params[name]
        stack.token = params.get("ClientRequestToken")
        if version is not None:
            stack.take(version)
        stack.enter(status, "User Initiated")
        return Deployments(self._registry, Resources(account, self._types))

    def _account_of(self, stack: Stack, params: Params) -> Account:
        """Return the account as a stack's role meets it; without one, as the caller does."""
        role = params.get("RoleARN") or stack.options.get("RoleARN")
        return acting_role(self.account, self._identities, role) if role else self.account

    def _version(self, stack: Stack, params: Params) -> Version:
        parameters = self._account_of(stack, params)
        return Versions(self.account, parameters, self._registry, self._types).asked(stack, params)

    def _new(self, params: Params) -> Stack:
        name = params["StackName"]
        arn = self.account.arn("cloudformation", f"stack/{name}/{uuid.uuid4()}")
        stack = Stack(arn, name)
        stack.protected = bool(params.get("EnableTerminationProtection"))
        stack.token = params.get("ClientRequestToken")
        return stack

    def _stack_to_change(self, kind: str, params: Params) -> Stack:
        if kind not in ("CREATE", "UPDATE"):
            message = f"The embedded account does not model change sets of type {kind}."
            raise ServiceError("UnsupportedOperation", message, 501)
        name = params["StackName"]
        stack = self._registry.found(name)
        if kind == "UPDATE":
            stack = self._living(name)
            _check_updatable(stack)
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

    def _of(self, stack: Stack) -> list[ChangeSet]:
        return [each for each in list(self._change_sets.values()) if each.stack is stack]

    def _change_set(self, params: Params) -> ChangeSet:
        name, stack = params["ChangeSetName"], params.get("StackName")
        for found in reversed(list(self._change_sets.values())):
            named = name in (found.change_set_id, found.name)
            if named and stack in (None, found.stack.stack_id, found.stack.name):
                return found
        raise ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)

    def _forget_change_sets(self, stack: Stack) -> None:
        for change_set in self._of(stack):
            del self._change_sets[change_set.change_set_id]


def _on_failure(params: Params) -> str:
    return "DO_NOTHING" if params.get("DisableRollback") else "ROLLBACK"


def _check_updatable(stack: Stack) -> None:
    if stack.status not in _UPDATABLE:
        raise _in_wrong_state(stack, "be updated")


def _check_executable(found: ChangeSet) -> None:
    if found.execution_status != "AVAILABLE":
        state = (
            f"status of [{found.status}]"
            if found.status == "FAILED"
            else f"execution status of [{found.execution_status}]"
        )
        message = f"ChangeSet [{found.change_set_id}] cannot be executed in its current {state}"
        raise ServiceError("InvalidChangeSetStatus", message)


def _token(params: Params) -> str | None:
    token: str | None = params.get("NextToken")
    return token


def _in_wrong_state(stack: Stack, what: str) -> ServiceError:
    return invalid(f"Stack:{stack.stack_id} is in {stack.status} state and can not {what}.")
