"""Whether the role of a state machine allows what its tasks call."""

import re
from collections.abc import Iterator

from policy_sentry.querying.actions import get_action_data

from checks.assembly import Resource
from checks.findings import Finding
from checks.iam import POLICIES, PRINCIPALS, covers, identity_statements
from checks.integrations import Integration, integration
from checks.machines import Machine, State

RULES = ("events:PutRule", "events:PutTargets", "events:DescribeRule")
"""What a job that is waited for needs: Step Functions hears of its end from a rule."""
HEARD_OF_BY_RULE = ("batch", "codebuild", "ecs", "sagemaker", "states")
_FUNCTION = re.compile(r"arn:[^:]+:lambda:.*|«[^»]+\.Arn»")
_REFERENCE = re.compile(r"«(?P<logical_id>[^».]+)(\.Arn)?»")
_PREFIXES = {"sfn": "states", "eventbridge": "events", "cloudwatchlogs": "logs"}
_UNLIKE_THE_API = {"lambda:invoke": "lambda:InvokeFunction"}


def find(machine: Machine) -> Iterator[Finding]:
    """Yield the calls of tasks that no statement of the role's policies covers."""
    allowed = _allowed(machine)
    if allowed is None:
        return
    for state in machine.states:
        lacking = [
            action
            for action in _actions(state)
            if not any(covers(pattern, action) for pattern in allowed)
        ]
        if lacking:
            found = f"the state machine's role does not allow {', '.join(lacking)}"
            yield state.finding("asl-role", found, "a statement in a policy of that role")


def _allowed(machine: Machine) -> list[str] | None:
    """Return the patterns of allowed actions; None where that cannot be read from the template."""
    role = _REFERENCE.fullmatch(str(machine.resource.get("RoleArn")))
    template = machine.resource.template
    known = {each.logical_id: each for each in template.of_type(*PRINCIPALS)}
    if not role or role["logical_id"] not in known:
        return None
    own = known[role["logical_id"]]
    policies = [each for each in template.of_type(*POLICIES) if _is_of(each, own)]
    statements = [each for part in (own, *policies) for each in identity_statements(part)]
    allowing = [statement for statement in statements if statement.allows]
    if own.get("ManagedPolicyArns") or any("NotAction" in each.body for each in allowing):
        return None
    return [action for statement in allowing for action in statement.listed("Action")]


def _is_of(policy: Resource, role: Resource) -> bool:
    return f"«{role.logical_id}»" in [*(policy.get("Roles") or []), policy.get("RoleName")]


def _actions(state: State) -> Iterator[str]:
    """Yield the actions that a task is known to need."""
    resource = state.body.get("Resource")
    if state.body.get("Type") != "Task" or not isinstance(resource, str):
        return
    if state.body.get("Credentials"):
        return  # another role makes the call
    if called := integration(resource):
        yield from _of(called)
    elif _FUNCTION.fullmatch(resource):
        yield "lambda:InvokeFunction"


def _of(called: Integration) -> Iterator[str]:
    prefix = _PREFIXES.get(called.service, called.service)
    name = f"{prefix}:{called.action[0].upper()}{called.action[1:]}"
    name = _UNLIKE_THE_API.get(f"{prefix}:{called.action}", name)
    if get_action_data(*name.split(":")):
        yield name
    if (called.pattern or "").startswith("sync") and called.service in HEARD_OF_BY_RULE:
        yield from RULES
