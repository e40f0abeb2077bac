"""A change set tells what its execution does, and is executed once, while it is valid."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.stacks import Template, change, queue, resource
from tests.conftest import RunningAccount

NEVER = {"Assert": {"Fn::Equals": ["a", "b"]}, "AssertDescription": "Never."}


def _prepare(account: RunningAccount, stack: str, template: Template, name: str = "c") -> Any:
    cloudformation = account.client("cloudformation")
    created = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="UPDATE",
        TemplateBody=json.dumps(template),
    )
    return cloudformation.describe_change_set(ChangeSetName=created["Id"])


def _told(change_set: Any) -> dict[str, tuple[str, str | None]]:
    changes = [each["ResourceChange"] for each in change_set["Changes"]]
    return {
        each["LogicalResourceId"]: (each["Action"], each.get("Replacement")) for each in changes
    }


def _template(topic: str, delay: int, **more: Any) -> Template:
    subscription = {
        "TopicArn": {"Ref": "Topic"},
        "Protocol": "sqs",
        "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
    }
    return {
        "Resources": {
            "Topic": resource("AWS::SNS::Topic", TopicName=topic),
            "Queue": queue(delay),
            "Subscription": resource("AWS::SNS::Subscription", None, **subscription),
            "Policy": resource(
                "AWS::SNS::TopicPolicy",
                Topics=[{"Ref": "Topic"}],
                PolicyDocument={"Version": "2012-10-17", "Statement": [_allow({"Ref": "Topic"})]},
            ),
            **more,
        }
    }


def _allow(arn: Any) -> dict[str, Any]:
    principal = {"AWS": "arn:aws:iam::123456789012:root"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sns:Publish", "Resource": arn}


def test_it_tells_what_is_added_modified_replaced_and_removed(account: RunningAccount) -> None:
    change(account, "told", _template("told-one", 1, Gone=queue()), "CREATE")
    change_set = _prepare(account, "told", _template("told-two", 2, New=queue()))
    assert (change_set["Status"], change_set["ExecutionStatus"]) == (
        "CREATE_COMPLETE",
        "AVAILABLE",
    )
    assert _told(change_set) == {
        "New": ("Add", None),
        "Gone": ("Remove", None),
        "Queue": ("Modify", "False"),
        "Topic": ("Modify", "True"),
        "Subscription": ("Modify", "Conditional"),
        "Policy": ("Modify", "False"),
    }
    details = {
        each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]["Details"]
        for each in change_set["Changes"]
    }
    assert details["Topic"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "TopicName",
        "RequiresRecreation": "Always",
    }
    assert [each["Evaluation"] for each in details["Subscription"]] == ["Dynamic"]
    physical = {
        each["ResourceChange"]["LogicalResourceId"]
        for each in change_set["Changes"]
        if "PhysicalResourceId" in each["ResourceChange"]
    }
    assert physical == {"Gone", "Queue", "Topic", "Subscription", "Policy"}


def test_one_without_changes_fails_and_cannot_be_executed(account: RunningAccount) -> None:
    template = {"Resources": {"Queue": queue(1)}}
    change(account, "unchanged", template, "CREATE")
    change_set = _prepare(account, "unchanged", {**template, "Description": "Says more."})
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"].startswith(
        "The submitted information didn't contain changes."
    )
    cloudformation = account.client("cloudformation")
    with pytest.raises(cloudformation.exceptions.InvalidChangeSetStatusException):
        cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    with pytest.raises(ClientError, match="No updates are to be performed"):
        cloudformation.update_stack(StackName="unchanged", TemplateBody=json.dumps(template))


def test_executing_one_deletes_the_others_and_an_update_makes_it_obsolete(
    account: RunningAccount,
) -> None:
    cloudformation = account.client("cloudformation")
    change(account, "several", {"Resources": {"Queue": queue(1)}}, "CREATE")
    for number, name in ((2, "second"), (3, "third")):
        _prepare(account, "several", {"Resources": {"Queue": queue(number)}}, name)
    with pytest.raises(ClientError, match="AlreadyExistsException"):
        _prepare(account, "several", {"Resources": {"Queue": queue(4)}}, "third")
    cloudformation.execute_change_set(ChangeSetName="second", StackName="several")
    listed = cloudformation.list_change_sets(StackName="several")["Summaries"]
    assert [(each["ChangeSetName"], each["ExecutionStatus"]) for each in listed] == [
        ("second", "EXECUTE_COMPLETE")
    ]
    with pytest.raises(cloudformation.exceptions.InvalidChangeSetStatusException):
        cloudformation.execute_change_set(ChangeSetName="second", StackName="several")
    _prepare(account, "several", {"Resources": {"Queue": queue(5)}}, "fourth")
    body = json.dumps({"Resources": {"Queue": queue(6)}})
    cloudformation.update_stack(StackName="several", TemplateBody=body)
    with pytest.raises(ClientError, match=r"execution status of \[OBSOLETE\]"):
        cloudformation.execute_change_set(ChangeSetName="fourth", StackName="several")


def test_a_new_stack_is_in_review_until_its_change_set_is_executed(account: RunningAccount) -> None:
    cloudformation = account.client("cloudformation")
    asked = {
        "StackName": "in-review",
        "ChangeSetName": "new",
        "TemplateBody": json.dumps({"Resources": {"Queue": queue()}}),
    }
    cloudformation.create_change_set(**asked, ChangeSetType="CREATE")
    stack = cloudformation.describe_stacks(StackName="in-review")["Stacks"][0]
    assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    cloudformation.execute_change_set(StackName="in-review", ChangeSetName="new")
    with pytest.raises(ClientError, match="already exists and cannot be created again"):
        cloudformation.create_change_set(**asked, ChangeSetType="CREATE")
    with pytest.raises(ClientError, match="does not exist"):
        cloudformation.create_change_set(**{**asked, "StackName": "none"}, ChangeSetType="UPDATE")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({}, "At least one Resources member must be defined"),
        ({"Resources": {"Q": queue()}, "Extra": 1}, r"Invalid template property.*\[Extra\]"),
        (
            {"Resources": {"Q": queue(KmsMasterKeyId={"Ref": "K"})}},
            r"Unresolved resource dependencies \[K\] in the Resources block",
        ),
        (
            {"Resources": {"A": queue() | {"DependsOn": "B"}, "B": queue() | {"DependsOn": "A"}}},
            "Circular dependency between resources",
        ),
        (
            {"Resources": {"Q": queue()}, "Outputs": {"O": {"Value": {"Ref": "P"}}}},
            r"Unresolved resource dependencies \[P\] in the Outputs block",
        ),
        (
            {"Resources": {f"Q{n}": queue() for n in range(501)}},
            "Number of resources, 501, is greater than maximum allowed, 500",
        ),
        (
            {"Resources": {"Q": queue()}, "Description": "d" * 51_200},
            "Member must have length less than or equal to 51200",
        ),
        (
            {"Resources": {"Q": queue() | {"DeletionPolicy": "Snapshot"}}},
            "does not support deletion policy Snapshot",
        ),
        (
            {"Resources": {"Q": queue()}, "Parameters": {"P": {"Type": "String"}}},
            r"Parameters: \[P\] must have values",
        ),
        (
            {"Resources": {"Q": queue()}, "Rules": {"R": {"Assertions": [NEVER]}}},
            "Rule R is violated. Never.",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_template_that_cloudformation_refuses_is_refused(
    account: RunningAccount, template: Template, message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        account.client("cloudformation").create_stack(
            StackName="refused", TemplateBody=json.dumps(template)
        )


def test_roles_need_capabilities(account: RunningAccount) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    role = resource("AWS::IAM::Role", RoleName="named", AssumeRolePolicyDocument=trust)
    cloudformation = account.client("cloudformation")
    with pytest.raises(cloudformation.exceptions.InsufficientCapabilitiesException):
        cloudformation.create_stack(
            StackName="incapable",
            TemplateBody=json.dumps({"Resources": {"Role": role}}),
            Capabilities=["CAPABILITY_IAM"],
        )


def test_yaml_templates_events_in_pages_and_functions(account: RunningAccount) -> None:
    cloudformation = account.client("cloudformation")
    body = """
AWSTemplateFormatVersion: 2010-09-09
Parameters: {Names: {Type: CommaDelimitedList, Default: "a,b"}}
Mappings: {Sizes: {small: {Delay: 3}}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !FindInMap [Sizes, small, Delay]}}
Outputs:
  Text: {Value: !Sub ["${Name}-${AWS::Region}-${!literal}", {Name: !Select [1, !Ref Names]}]}
  Arn: {Value: !Join ["|", [!GetAtt Queue.Arn, !Select [2, !Split [":", !GetAtt Queue.Arn]]]]}
"""
    cloudformation.create_stack(StackName="in-yaml", TemplateBody=body)
    stack = cloudformation.describe_stacks(StackName="in-yaml")["Stacks"][0]
    found = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert found["Text"] == "b-us-east-1-${literal}"
    assert found["Arn"].endswith("|sqs")
    assert cloudformation.get_template(StackName="in-yaml")["TemplateBody"] == body
    many = {"Resources": {f"Q{n}": queue() for n in range(40)}}
    change(account, "many-events", many, "CREATE")
    first = cloudformation.describe_stack_events(StackName="many-events")
    rest = cloudformation.describe_stack_events(
        StackName="many-events", NextToken=first["NextToken"]
    )
    assert (len(first["StackEvents"]), "NextToken" in rest) == (100, False)
    assert first["StackEvents"][0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert rest["StackEvents"][-1]["ResourceStatusReason"] == "User Initiated"
