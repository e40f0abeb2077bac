"""What the roles of a deployed pipeline may do, what they did of it, and what is documented."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from local_account.authorization.record import Line
from local_account.authorization.replay import StatementId, exercised, load, replay, statements_of
from tests.conftest import ROOT
from tests.e2e.conftest import Pipeline

_ROW = re.compile(r"\| (?P<roles>[\w, ]+) \| (?P<actions>[^|]+) \| [^|]+ \| <https://[^|>]+> \|")
STACKS = ("storage", "training", "model-code")


class Right(NamedTuple):
    """One action that a policy gives to a role, which has the name that the template gives it."""

    role: str
    action: str


@dataclass(frozen=True)
class Rights:
    """The policies of a pipeline's roles as they are now, and all accesses so far."""

    roles: dict[str, str]
    """The template's names by ARN."""
    accesses: list[Line]
    policies: dict[str, Any]

    @property
    def denied(self) -> list[Line]:
        return [line for line in self.accesses if line["decision"] == "denied"]

    @property
    def granted(self) -> set[Right]:
        return {
            Right(self.roles[statement.holder], action)
            for statement, entry in self.statements
            for action in _listed(entry["Action"])
        }

    @property
    def used(self) -> set[Right]:
        return {
            Right(self.roles[line["role_arn"]], line["action"])
            for line in self.accesses
            if line["role_arn"] in self.roles and line["decision"] == "allowed"
        }

    @property
    def exercised(self) -> list[StatementId]:
        """The statements that have allowed something."""
        counts = exercised(self.accesses)
        return [statement for statement, _ in self.statements if counts.get(statement)]

    def needed(self, statement: StatementId) -> bool:
        """Tell whether an access is denied without a statement."""
        own = [line for line in self.accesses if line["role_arn"] == statement.holder]
        return bool(replay(own, self.policies, statement))

    @cached_property
    def statements(self) -> list[tuple[StatementId, Any]]:
        """The statements of the roles' policies, apart from whom they trust."""
        return [
            (statement, entry)
            for statement, entry in statements_of(self.policies)
            if statement.holder in self.roles and "Principal" not in entry
        ]


def rights_of(pipeline: Pipeline) -> Rights:
    """Return the rights of the roles that the pipeline's templates have."""
    cloudformation, roles = pipeline.account.client("cloudformation"), {}
    account_id = pipeline.account.contact["account_id"]
    for stack in (f"{pipeline.name}-{pipeline.env}-{kind}" for kind in STACKS):
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        for resource in (each for page in pages for each in page["StackResourceSummaries"]):
            if resource["ResourceType"] == "AWS::IAM::Role":
                arn = f"arn:aws:iam::{account_id}:role/{resource['PhysicalResourceId']}"
                roles[arn] = resource["LogicalResourceId"][:-8]
    accesses, policies = load(pipeline.account.log.parent / "state")
    # the record has the policies of those roles only that have been used
    identity = {**policies["identity"], **{arn: _policies(pipeline, arn) for arn in roles}}
    return Rights(roles, accesses, {**policies, "identity": identity})


def _policies(pipeline: Pipeline, role_arn: str) -> dict[str, str]:
    iam, name = pipeline.account.client("iam"), role_arn.rpartition("/")[2]
    return {
        policy: json.dumps(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }


def documented() -> tuple[set[Right], set[Right]]:
    """Return the rights that docs/permissions.md says no run, and not every run, shows."""
    text = (ROOT / "docs/permissions.md").read_text()
    never, _, sometimes = text.partition("## What depends on time")
    return _listed_in(never), _listed_in(sometimes)


def _listed_in(text: str) -> set[Right]:
    return {
        Right(role, action)
        for row in map(_ROW.fullmatch, text.splitlines())
        if row
        for role in row["roles"].split(", ")
        for action in re.findall(r"`([\w:]+)`", row["actions"])
    }


@contextmanager
def without(pipeline: Pipeline, role: str, action: str) -> Iterator[str]:
    """Take the statement with an action from a role's policy; yields the role's own name."""
    rights, iam = rights_of(pipeline), pipeline.account.client("iam")
    arn = next(arn for arn, name in rights.roles.items() if name == role)
    statement = next(
        each
        for each, entry in rights.statements
        if each.holder == arn and action in _listed(entry["Action"])
    )
    target = {"RoleName": arn.rpartition("/")[2], "PolicyName": statement.policy}
    before = iam.get_role_policy(**target)["PolicyDocument"]
    kept = [each for each in before["Statement"] if action not in _listed(each["Action"])]
    iam.put_role_policy(**target, PolicyDocument=json.dumps({**before, "Statement": kept}))
    try:
        yield target["RoleName"]
    finally:
        iam.put_role_policy(**target, PolicyDocument=json.dumps(before))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
