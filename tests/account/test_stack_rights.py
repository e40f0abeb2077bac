"""A stack's resources are made with the rights of its role, or else of who asks."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import ANYTHING, Statement, create_role, document
from tests.account.stacks import delays, events, queue, resource
from tests.conftest import RunningAccount

Clients = Callable[[str], Any]


def _allow(*actions: str, resource: str = "*") -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _as(account: RunningAccount, name: str, *statements: Statement) -> Clients:
    """Return the clients of somebody who may do this much."""
    arn = create_role(account, name, "cloudformation", allow=list(statements))
    trust = {"Action": "sts:AssumeRole", "Principal": {"AWS": arn.replace(f"role/{name}", "root")}}
    account.client("iam").update_assume_role_policy(
        RoleName=name, PolicyDocument=document(trust, "unused")
    )
    return account.assumed(arn)


def _status(account: RunningAccount, name: str) -> str:
    stack = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return str(stack["StackStatus"])


def _failure(account: RunningAccount, name: str, logical_id: str) -> str:
    """Return why a resource of a stack failed last."""
    return [
        why for what, to, why in events(account, name) if (what, to[-7:]) == (logical_id, "_FAILED")
    ][-1]


def test_who_may_only_deploy_stacks_gives_nobody_rights(account: RunningAccount) -> None:
    mine = _as(account, "deploys-only", _allow("cloudformation:*"))
    policy = {"Version": "2012-10-17", "Statement": [ANYTHING]}
    template = {
        "Resources": {
            "All": resource(
                "AWS::IAM::Policy", PolicyName="all", PolicyDocument=policy, Roles=["deploys-only"]
            )
        }
    }
    mine("cloudformation").create_stack(
        StackName="escalating",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    assert _status(account, "escalating") == "ROLLBACK_COMPLETE"
    why = _failure(account, "escalating", "All")
    assert "assumed-role/deploys-only/tested is not authorized to perform: iam:PutRole" in why
    policies = account.client("iam").list_role_policies(RoleName="deploys-only")["PolicyNames"]
    assert policies == ["rights"]


def test_a_stack_has_its_role_s_rights_from_creation_to_deletion(account: RunningAccount) -> None:
    role = create_role(account, "makes-queues", "cloudformation", allow=[_allow("sqs:*")])
    mine = _as(
        account, "passes-a-role", _allow("cloudformation:*"), _allow("iam:PassRole", resource=role)
    )
    cloudformation = mine("cloudformation")

    def template(seconds: int) -> str:
        return json.dumps({"Resources": {"Queue": queue(seconds)}})

    cloudformation.create_stack(StackName="by-role", TemplateBody=template(1), RoleARN=role)
    assert (_status(account, "by-role"), delays(account, "by-role")) == ("CREATE_COMPLETE", ["1"])
    cloudformation.update_stack(StackName="by-role", TemplateBody=template(2))
    assert (_status(account, "by-role"), delays(account, "by-role")) == ("UPDATE_COMPLETE", ["2"])
    with_topic = {"Resources": {"Queue": queue(3), "Topic": resource("AWS::SNS::Topic")}}
    cloudformation.update_stack(StackName="by-role", TemplateBody=json.dumps(with_topic))
    assert _status(account, "by-role") == "UPDATE_ROLLBACK_COMPLETE"
    assert "makes-queues/AWSCloudFormation is not auth" in _failure(account, "by-role", "Topic")
    assert delays(account, "by-role") == ["2"]
    cloudformation.delete_stack(StackName="by-role")
    assert delays(account, "by-role") == []


def test_a_role_that_cloudformation_may_not_assume_makes_nothing(account: RunningAccount) -> None:
    role = create_role(account, "for-functions", "lambda")
    cloudformation = account.client("cloudformation")
    template = json.dumps({"Resources": {"Queue": queue()}})
    with pytest.raises(ClientError, match=f"Role {role} is invalid or cannot be assumed"):
        cloudformation.create_stack(StackName="no-role", TemplateBody=template, RoleARN=role)
    with pytest.raises(ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName="no-role")


def test_templates_are_read_by_who_asks_and_parameters_by_the_role(account: RunningAccount) -> None:
    s3, body = (
        account.client("s3"),
        {
            "Parameters": {
                "P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/secret"}
            },
            "Resources": {"Queue": queue()},
        },
    )
    s3.create_bucket(Bucket="templates-of-others")
    s3.put_object(Bucket="templates-of-others", Key="t", Body=json.dumps(body).encode())
    account.client("ssm").put_parameter(Name="/secret", Value="v", Type="String")
    role = create_role(account, "reads-no-parameters", "cloudformation", allow=[_allow("sqs:*")])
    named = {"StackName": "reading", "TemplateURL": f"{account.url}/templates-of-others/t"}
    reads = _as(account, "reads-no-templates", _allow("cloudformation:*"))("cloudformation")
    with pytest.raises(ClientError, match="S3 error: AccessDenied"):
        reads.create_stack(**named)
    with pytest.raises(ClientError, match=r"AWSCloudFormation is not .* ssm:GetParameters"):
        account.client("cloudformation").create_stack(**named, RoleARN=role)
    with pytest.raises(ClientError, match="is not authorized to perform: iam:PassRole"):
        reads.create_stack(**named, RoleARN=role)
