"""CloudFormation: real events, order, outputs and rollback, and no type that is not modelled."""

import importlib
import json
from collections.abc import Callable
from typing import Any

import yaml

from local_account.hooks.replace import extend_resource, replace
from local_account.hooks.resource_models import resource_model
from local_account.service import Account
from local_account.services import cloudformation


def _parse_template(template: str) -> dict[str, Any]:
    from moto.cloudformation.utils import yaml_tag_constructor

    try:
        parsed: dict[str, Any] = json.loads(template)
    except ValueError:
        loader = getattr(yaml, "CLoader", yaml.Loader)
        yaml.add_multi_constructor("", yaml_tag_constructor, Loader=loader)
        parsed = yaml.load(template, Loader=loader)  # noqa: S506 - the template's owner runs this
    return parsed


_RESOURCE_MODELS: list[type] = []  # moto finds them through weak references


def _resource_event(resources: Any, logical_id: str, kind: str, status: str, why: str = "") -> None:
    from moto.cloudformation.models import Event as StackEvent
    from moto.cloudformation.models import cloudformation_backends

    backend = cloudformation_backends[resources._account_id][resources._region_name]
    stack = backend.stacks[resources.stack_id]
    parsed = resources._parsed_resources.get(logical_id)
    physical_id = str(getattr(parsed, "physical_resource_id", "") or "")
    event = StackEvent(
        stack.stack_id, stack.name, logical_id, physical_id, kind, status, why or None, None
    )
    stack.events.append(event)


def _with_events(verb: str, account: Account) -> Callable[[Any], Any]:
    """Report what happens to each resource, and refuse types and updates that are not modelled."""

    def wrap(original: Any) -> Any:
        def apply(
            logical_id: str, resource_json: dict[str, Any], resources: Any, **where: str
        ) -> Any:
            kind = resource_json["Type"]
            if kind == "AWS::CDK::Metadata":
                return None
            _resource_event(resources, logical_id, kind, f"{verb}_IN_PROGRESS")
            try:
                if verb == "UPDATE" and kind in cloudformation.UPDATES:
                    resource = _update_in_place(account, logical_id, resource_json, resources)
                else:
                    resource = original(logical_id, resource_json, resources, **where)
                if resource is None and "Condition" not in resource_json:
                    raise ValueError(
                        f"The embedded account does not model {verb.lower()} of {kind}."
                    )
            except Exception as error:
                _resource_event(resources, logical_id, kind, f"{verb}_FAILED", str(error)[:1024])
                raise
            if resource is not None and verb == "CREATE":
                resources._parsed_resources[logical_id] = resource
            _resource_event(resources, logical_id, kind, f"{verb}_COMPLETE")
            return resource

        return apply

    return wrap


def _update_in_place(
    account: Account, logical_id: str, resource_json: dict[str, Any], resources: Any
) -> Any:
    from moto.cloudformation.parsing import clean_json

    resource = resources[logical_id]
    properties = clean_json(resource_json, resources)["Properties"]
    update = cloudformation.UPDATES[resource_json["Type"]]
    update(account, resource.physical_resource_id, properties)
    return resource


def _in_dependency_order(original: Any) -> Any:
    """Create what a change set adds in the order that DependsOn asks for."""

    def diff(self: Any, template: dict[str, Any], parameters: Any = None) -> dict[str, Any]:
        actions: dict[str, Any] = original(self, template, parameters)
        resources = template["Resources"]
        ordered: dict[str, None] = {}

        def visit(name: str) -> None:
            depends = resources[name].get("DependsOn", [])
            for dependency in [depends] if isinstance(depends, str) else depends:
                if dependency in actions["Add"] and dependency not in ordered:
                    visit(dependency)
            ordered[name] = None

        for name in actions["Add"]:
            if name not in ordered:
                visit(name)
        actions["Add"] = list(ordered)
        return actions

    return diff


def _of_its_stack(original: Any) -> Any:
    """Find a change set by its stack and name: moto takes any stack's that has the name."""
    from moto.cloudformation.exceptions import CloudFormationError
    from moto.core.responses import EmptyResult

    def answer(self: Any) -> Any:
        name, stack = self._get_param("ChangeSetName"), self._get_param("StackName")
        found = [
            change_set_id
            for change_set_id, each in self.cloudformation_backend.change_sets.items()
            if name in (change_set_id, each.change_set_name)
            and stack in (None, each.stack_id, each.stack_name)
        ]
        if found:
            self.params["ChangeSetName"] = found[-1]
            return original(self)
        if original.__name__ == "delete_change_set":
            return EmptyResult()
        message = f"ChangeSet [{name}] does not exist"
        raise CloudFormationError("ChangeSetNotFoundException", message)

    return answer


def _or_previous_value(original: Any) -> Any:
    """Look an SSM parameter up by its name; what an update keeps was looked up before."""

    def look_up(self: Any, value: str, value_type: str) -> Any:
        known = value in self.resolved_parameters.values()
        return value if known else original(self, value, value_type)

    return look_up


def _execute_change_set(original: Any) -> Any:
    """Execute a change set so that a resource's failure fails and rolls back the stack."""

    def execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        change_set = self.describe_change_set(change_set_name)
        stack, verb = change_set.stack, change_set.change_set_type
        resources = stack.resource_map
        before = set(resources._parsed_resources)
        earlier = resources._template, resources._resource_json_map
        stack.status = f"{verb}_IN_PROGRESS"
        stack._add_stack_event(stack.status, resource_status_reason="User Initiated")
        stack.resource_map.cross_stack_resources = self.exports
        change_set.execution_status = "EXECUTE_COMPLETE"
        try:
            change_set.apply()
            stack.template, stack.parameters = change_set.template, change_set.parameters
            stack.template_dict = change_set.template_dict
            stack.output_map = stack._create_output_map()
            self.exports.update({export.name: export for export in stack.exports})
            stack.status = f"{verb}_COMPLETE"
            stack._add_stack_event(stack.status)
        except Exception as error:  # noqa: BLE001 - whatever a resource raises fails its stack
            _roll_back(stack, verb, before, str(error))
            if verb == "UPDATE":  # what was not changed is still to be changed the next time
                resources._template, resources._resource_json_map = earlier

    return execute


def _roll_back(stack: Any, verb: str, before: set[str], why: str) -> None:
    prefix = "" if verb == "CREATE" else "UPDATE_"
    stack._add_stack_event(f"{prefix}ROLLBACK_IN_PROGRESS", resource_status_reason=why)
    resources = stack.resource_map
    for logical_id in reversed(
        [name for name in resources._parsed_resources if name not in before]
    ):
        resource_json = resources._resource_json_map.get(logical_id)
        if resource_json is not None:
            resources._delete_resource(resources._parsed_resources.pop(logical_id), resource_json)
    if verb == "CREATE":
        _forget_outputs(stack)
    stack.status, stack.status_reason = f"{prefix}ROLLBACK_COMPLETE", why
    stack._add_stack_event(stack.status)


def _forget_outputs(stack: Any) -> None:
    """Take away outputs of resources that are gone: to look at them would create those again."""
    stack.output_map = type(stack.output_map)(stack.resource_map, {}, stack.stack_id)


def _delete_stack(original: Any) -> Any:
    """Delete a stack so that one that cannot be deleted stays, and says what is in the way."""

    def delete(self: Any, name_or_stack_id: str) -> None:
        named = [s for s in self.stacks.values() if name_or_stack_id in (s.stack_id, s.name)]
        for stack in named:
            exports = [export.name for export in stack.exports]
            try:
                stack.delete()
            except Exception as error:  # noqa: BLE001 - whatever a resource raises fails its stack
                stack.status, stack.status_reason = "DELETE_FAILED", str(error)
                stack._add_stack_event(stack.status, resource_status_reason=str(error))
                continue
            for name in exports:
                self.exports.pop(name, None)
            _forget_outputs(stack)
            self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)

    return delete


def _delete_resource(account: Account) -> Callable[[Any], Any]:
    """Report what happens to each resource of a stack that is deleted."""

    def wrap(original: Any) -> Any:
        def delete(self: Any, resource: Any, resource_json: dict[str, Any]) -> None:
            kind, logical_id = resource_json["Type"], resource.logical_resource_id
            _resource_event(self, logical_id, kind, "DELETE_IN_PROGRESS")
            try:
                if prepare := cloudformation.BEFORE_DELETE.get(kind):
                    prepare(account, resource.physical_resource_id, resource_json["Properties"])
                original(self, resource, resource_json)
            except Exception as error:
                _resource_event(self, logical_id, kind, "DELETE_FAILED", str(error)[:1024])
                raise
            _resource_event(self, logical_id, kind, "DELETE_COMPLETE")

        return delete

    return wrap


def install(account: Account) -> None:
    """Make stacks that really create, fail and roll back."""
    models, parsing = "moto.cloudformation.models", "moto.cloudformation.parsing"
    importlib.import_module(parsing)  # moto's own types first: of two classes the later one counts
    for type_name, kind in cloudformation.RESOURCE_TYPES.items():
        _RESOURCE_MODELS.append(resource_model(type_name, kind, account))
    replace(f"{models}:Stack.parse_template", lambda original: staticmethod(_parse_template))
    replace(
        f"{models}:ChangeSet._parse_template",
        lambda original: (
            lambda self: setattr(self, "template_dict", _parse_template(self.template))
        ),
    )
    replace(
        "moto.cloudformation.responses:get_stack_from_s3_url",
        # moto takes the host for the bucket unless the host is called localhost
        lambda original: (
            lambda url, **where: original(url.replace(account.url, "http://localhost"), **where)
        ),
    )
    replace(f"{parsing}:parse_and_create_resource", _with_events("CREATE", account))
    replace(f"{parsing}:parse_and_update_resource", _with_events("UPDATE", account))
    replace(f"{parsing}:ResourceMap.parse_ssm_parameter", _or_previous_value)
    replace(f"{parsing}:ResourceMap.build_resource_diff", _in_dependency_order)
    replace(f"{parsing}:ResourceMap._delete_resource", _delete_resource(account))
    for operation in ("describe_change_set", "execute_change_set", "delete_change_set"):
        path = f"moto.cloudformation.responses:CloudFormationResponse.{operation}"
        replace(path, _of_its_stack)
    replace(f"{models}:CloudFormationBackend.execute_change_set", _execute_change_set)
    replace(f"{models}:CloudFormationBackend.delete_stack", _delete_stack)
    extend_resource(
        "moto.s3.models:FakeBucket",
        # moto cannot change the tags of a bucket whose name is generated
        before=lambda properties: properties.update(TagSet=properties.pop("Tags", [])),
        after=lambda bucket, properties: cloudformation.complete_bucket(
            account, bucket.name, properties
        ),
    )
