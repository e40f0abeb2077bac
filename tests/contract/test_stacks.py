"""CloudFormation: how stacks are created, changed, rolled back and deleted."""

import json
from typing import Any

import pytest

from tests.contract.account import Aws, refused

PARAMETER = "AWS::SSM::Parameter"


def _parameter(aws: Aws, end: str, value: Any) -> dict[str, Any]:
    properties = {"Name": f"/{aws.prefix}/{end}", "Type": "String", "Value": value}
    return {"Type": PARAMETER, "Properties": properties}


def _change_set(aws: Aws, kind: str, resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a change set for the test's stack and wait until it is there."""
    client = aws.client("cloudformation")
    named = {"StackName": aws.prefix, "ChangeSetName": f"{kind.lower()}-{len(resources)}"}
    template = json.dumps({"Resources": resources, **more})
    client.create_change_set(**named, ChangeSetType=kind, TemplateBody=template)

    def made() -> dict[str, Any]:
        found: dict[str, Any] = client.describe_change_set(**named)
        return found if found["Status"] in ("CREATE_COMPLETE", "FAILED") else {}

    described: dict[str, Any] = aws.until(made)
    return described | named


def _execute(aws: Aws, change_set: dict[str, Any]) -> dict[str, Any]:
    client = aws.client("cloudformation")
    named = {key: change_set[key] for key in ("StackName", "ChangeSetName")}
    client.execute_change_set(**named)

    def settled() -> dict[str, Any]:
        (stack,) = client.describe_stacks(StackName=aws.prefix)["Stacks"]
        return {} if stack["StackStatus"].endswith("_IN_PROGRESS") else dict(stack)

    stack: dict[str, Any] = aws.until(settled)
    return stack


def _statuses(aws: Aws, logical_id: str) -> list[str]:
    pages = aws.client("cloudformation").get_paginator("describe_stack_events")
    events = [
        event for page in pages.paginate(StackName=aws.prefix) for event in page["StackEvents"]
    ]
    return [
        event["ResourceStatus"]
        for event in reversed(events)
        if event["LogicalResourceId"] == logical_id
    ]


@pytest.mark.contract(
    *("cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet"),
    *("cloudformation:ExecuteChangeSet", "cloudformation:DeleteChangeSet"),
    *("cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"),
    *("cloudformation:GetTemplate", "cloudformation:ListStackResources"),
    "cloudformation:DeleteStack",
)
def test_a_stack_from_creation_to_deletion(aws: Aws) -> None:
    client, ssm = aws.client("cloudformation"), aws.client("ssm")
    resources = {"A": _parameter(aws, "a", "1"), "B": _parameter(aws, "b", {"Ref": "A"})}
    outputs = {"Of": {"Value": {"Ref": "A"}}}
    made = _change_set(aws, "CREATE", resources, Outputs=outputs)
    aws.later(client.delete_stack, StackName=aws.prefix)
    changes = [each["ResourceChange"] for each in made["Changes"]]
    assert sorted((each["Action"], each["LogicalResourceId"]) for each in changes) == [
        ("Add", "A"),
        ("Add", "B"),
    ]
    stack = _execute(aws, made)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"] == [{"OutputKey": "Of", "OutputValue": f"/{aws.prefix}/a"}]
    assert ssm.get_parameter(Name=f"/{aws.prefix}/b")["Parameter"]["Value"] == f"/{aws.prefix}/a"
    assert _statuses(aws, "B")[-1] == "CREATE_COMPLETE"
    listed = client.list_stack_resources(StackName=aws.prefix)["StackResourceSummaries"]
    assert {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed} == {
        "A": f"/{aws.prefix}/a",
        "B": f"/{aws.prefix}/b",
    }
    template = client.get_template(StackName=aws.prefix, TemplateStage="Original")["TemplateBody"]
    assert json.loads(template if isinstance(template, str) else json.dumps(template)) == {
        "Resources": resources,
        "Outputs": outputs,
    }

    left = {"A": _parameter(aws, "a", "2")}
    changed = _change_set(aws, "UPDATE", left)
    assert sorted(
        (each["ResourceChange"]["Action"], each["ResourceChange"]["LogicalResourceId"])
        for each in changed["Changes"]
    ) == [("Modify", "A"), ("Remove", "B")]
    assert _execute(aws, changed)["StackStatus"] == "UPDATE_COMPLETE"
    assert ssm.get_parameter(Name=f"/{aws.prefix}/a")["Parameter"]["Value"] == "2"
    assert refused(ssm.get_parameter, Name=f"/{aws.prefix}/b") == "ParameterNotFound"
    unused = _change_set(aws, "UPDATE", {**left, "C": _parameter(aws, "c", "3")})
    named = {"StackName": aws.prefix, "ChangeSetName": unused["ChangeSetName"]}
    client.delete_change_set(**named)
    aws.until(lambda: _is_absent(aws, named))
    client.delete_stack(StackName=aws.prefix)
    aws.until(lambda: _is_gone(aws))
    assert refused(ssm.get_parameter, Name=f"/{aws.prefix}/a") == "ParameterNotFound"


def _is_absent(aws: Aws, change_set: dict[str, str]) -> bool:
    client = aws.client("cloudformation")
    try:
        client.describe_change_set(**change_set)
    except client.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"]) == "ChangeSetNotFound"
    return False


def _is_gone(aws: Aws) -> bool:
    client = aws.client("cloudformation")
    try:
        client.describe_stacks(StackName=aws.prefix)
    except client.exceptions.ClientError as error:
        return "does not exist" in str(error)
    return False


@pytest.mark.contract("cloudformation:ExecuteChangeSet", "cloudformation:DescribeStackEvents")
def test_a_resource_that_fails_rolls_its_stack_back(aws: Aws) -> None:
    ssm = aws.client("ssm")
    subscription = {
        "TopicArn": aws.arn("sns", aws.name("absent")),
        "Protocol": "sqs",
        "Endpoint": aws.arn("sqs", aws.name("absent")),
    }
    kind = "AWS::SNS::Subscription"
    failing = {"Type": kind, "DependsOn": "A", "Properties": subscription}
    aws.later(aws.client("cloudformation").delete_stack, StackName=aws.prefix)
    stack = _execute(
        aws, _change_set(aws, "CREATE", {"A": _parameter(aws, "a", "1"), "F": failing})
    )
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "CREATE_FAILED" in _statuses(aws, "F")
    assert _statuses(aws, "A")[-1] == "DELETE_COMPLETE"
    assert refused(ssm.get_parameter, Name=f"/{aws.prefix}/a") == "ParameterNotFound"
    assert _statuses(aws, aws.prefix) == [
        "REVIEW_IN_PROGRESS",
        "CREATE_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
    ]
