"""Roles of the tests, made as AWS wants them: who may take them, and what they may do."""

import json
from typing import Any

from tests.conftest import RunningAccount

Statement = dict[str, Any]
_VERSION = "2012-10-17"
ANYTHING: Statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def create_role(
    account: RunningAccount, name: str, *services: str, allow: list[Statement] | None = None
) -> str:
    """Create a role that services (`lambda`, `states`) take, or give it other rights; its ARN.

    It may do anything unless statements are given.
    """
    iam = account.client("iam")
    trust = document({"Action": "sts:AssumeRole"}, *services)
    if all(role["RoleName"] != name for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    rights = json.dumps({"Version": _VERSION, "Statement": [ANYTHING] if allow is None else allow})
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=rights)
    return f"arn:aws:iam::{account.contact['account_id']}:role/{name}"


def allow_sending(account: RunningAccount, url: str, arn: str, *services: str) -> None:
    """Let services send to a queue."""
    policy = document({"Action": "sqs:SendMessage", "Resource": arn}, *services)
    account.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def allow_invoking(account: RunningAccount, function: str, *services: str) -> None:
    """Let services invoke a function."""
    for service in services:
        account.client("lambda").add_permission(
            FunctionName=function,
            StatementId=service,
            Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com",
        )


def document(statement: Statement, *services: str) -> str:
    """Return the policy of a resource (or of a role's trust) that allows services something."""
    principals = [f"{service}.amazonaws.com" for service in services]
    allowed = {"Effect": "Allow", "Principal": {"Service": principals}, **statement}
    return json.dumps({"Version": _VERSION, "Statement": [allowed]})
