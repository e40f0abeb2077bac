"""Whether the role of a state machine allows what its tasks call.

Nothing is said where a right may come from what the assembly does not show: managed policies,
macros, attachments and actions that only a deployment knows, policies of the resource called.
"""

import re
from collections.abc import Iterator
from typing import Any

from policy_sentry.querying.actions import get_action_data

from checks.assembly import Resource, Template
from checks.findings import Finding
from checks.iam import POLICIES, RESOURCE_POLICIES, Statement, covers, statements
from checks.integrations import Integration, integration
from checks.intrinsics import UNKNOWN
from checks.machines import Machine, State
from checks.transforms import macros

RULES = ("events:PutRule", "events:PutTargets", "events:DescribeRule")
"""What a job that is waited for needs: Step Functions hears of its end from a rule."""
HEARD_OF_BY_RULE = ("batch", "codebuild", "ecs", "sagemaker", "states")
FUNCTIONS = ("AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::Alias")
_REFERENCE = re.compile(r"«(?P<logical_id>[^».]+)(\.Arn)?»")
_UNLIKE_THE_API = {"lambda:Invoke": "lambda:InvokeFunction"}
_FOR_EVERYBODY = {"sts:GetCallerIdentity"}
_OF_OTHER_ROLES = ("AWS::SecretsManager-", "AWS::CodeDeployBlueGreen")
"""Macros that change no state machine's role."""


class _NotShownError(Exception):
    """The assembly does not show all that a role may do."""


def find(machine: Machine) -> Iterator[Finding]:
    """Yield the tasks whose calls no statement of the role's policies covers."""
    try:
        allowed = _allowed(machine)
    except _NotShownError:
        return
    functions = {f.logical_id for f in machine.resource.template.of_type(*FUNCTIONS)}
    for state in machine.states:
        lacking = [
            action
            for action in _actions(state, functions)
            if not any(covers(pattern, action) for pattern in allowed)
        ]
        if lacking:
            found = f"the state machine's role does not allow {', '.join(lacking)}"
            yield state.finding("asl-role", found, "a statement in a policy of that role")


def _allowed(machine: Machine) -> list[str]:
    """Return the patterns of the actions that the machine's role may do."""
    role = _role(machine)
    template = role.template
    own, arn = {f"«{role.logical_id}»", role.get("RoleName")}, f"«{role.logical_id}.Arn»"
    if (
        any(not name.startswith(_OF_OTHER_ROLES) for _, name in macros(template))
        or role.get("ManagedPolicyArns")
        or any(_may_grant(each, arn, role.get("RoleName")) for each in template.assembly.resources)
    ):
        raise _NotShownError
    attached = [p for p in template.assembly.of_type(*POLICIES) if own & set(_roles(p))]
    if any(_is_chosen_later(each) for each in (role, *attached)):
        raise _NotShownError
    documents = [each.get("PolicyDocument") for each in (*(role.get("Policies") or []), *attached)]
    documents.append(_of_everybody(template))
    return [action for document in documents for action in _actions_of(document)]


def _may_grant(resource: Resource, arn: str, name: Any) -> bool:
    """Tell whether a resource's own policy names a role."""
    if resource.type in (*POLICIES, "AWS::IAM::Role", "AWS::KMS::Key"):
        return False
    text = str(resource.properties)
    return "'Principal'" in text and (arn in text or bool(name) and str(name) in text)


def _of_everybody(template: Template) -> dict[str, Any]:
    """Return as one policy what resources' own policies say of everybody."""
    resources = template.assembly.of_type(*RESOURCE_POLICIES)
    found = [each for one in resources for each in statements(one.get(RESOURCE_POLICIES[one.type]))]
    return {"Statement": [each.body for each in found if each.is_for_everybody]}


def _is_chosen_later(policy: Resource) -> bool:
    """Tell whether parameters, conditions or mappings have a say in a policy."""
    text = str(policy.body)
    parameters = policy.template.body.get("Parameters") or {}
    return any(each in text for each in ("Fn::If", "Fn::FindInMap")) or any(
        f"{{'Ref': '{name}'}}" in text for name in parameters
    )


def _role(machine: Machine) -> Resource:
    """Return the role that the machine's template makes for it."""
    arn = (machine.resource.body.get("Properties") or {}).get("RoleArn")
    target = arn.get("Fn::GetAtt") if isinstance(arn, dict) else None
    logical_id = target[0] if isinstance(target, list) else str(target).partition(".")[0]
    for role in machine.resource.template.of_type("AWS::IAM::Role"):
        if role.logical_id == logical_id:
            return role
    raise _NotShownError


def _roles(policy: Resource) -> list[Any]:
    """Return whom a policy is attached to: names, and references to roles."""
    given = [policy.get("RoleName")] if policy.get("RoleName") else policy.get("Roles") or []
    known = {f"«{role.logical_id}»" for role in policy.template.assembly.of_type("AWS::IAM::Role")}
    if not isinstance(given, list) or any(
        UNKNOWN.search(str(each)) and each not in known for each in given
    ):
        raise _NotShownError
    return given


def _actions_of(document: Any) -> Iterator[str]:
    found = document.get("Statement") if isinstance(document, dict) else None
    for statement in found if isinstance(found, list) else [found]:
        if not isinstance(statement, dict) or "NotAction" in statement:
            raise _NotShownError
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise _NotShownError
        if Statement(statement).allows:
            for action in Statement(statement).listed("Action"):
                if UNKNOWN.search(action) or "," in action:
                    raise _NotShownError
                yield action


def _actions(state: State, functions: set[str]) -> Iterator[str]:
    """Yield the actions that a task is known to need."""
    resource = state.body.get("Resource")
    if state.body.get("Type") != "Task" or not isinstance(resource, str):
        return
    if state.body.get("Credentials"):
        return  # another role makes the call
    reference = _REFERENCE.fullmatch(resource)
    if called := integration(resource):
        yield from _of(called, state)
    elif ":lambda:" in resource or (reference and reference["logical_id"] in functions):
        yield "lambda:InvokeFunction"


def _of(called: Integration, state: State) -> Iterator[str]:
    if operation := called.operation:
        signing_name = operation.service_model.signing_name
        prefix = "cloudwatch" if signing_name == "monitoring" else signing_name
        name = f"{prefix}:{operation.name}"
        name = _UNLIKE_THE_API.get(name, name)
        versioned = prefix == "s3" and any("VersionId" in each for each in state.parameters)
        if get_action_data(prefix, name.partition(":")[2]) and not versioned:
            yield from {name} - _FOR_EVERYBODY
    if (called.pattern or "").startswith("sync") and called.service in HEARD_OF_BY_RULE:
        yield from RULES
