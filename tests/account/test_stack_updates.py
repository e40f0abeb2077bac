"""An update changes, replaces and removes what its template says, or leaves all as it was."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.stacks import broken, change, delays, events, outputs, queue, resource
from tests.conftest import RunningAccount


def _topic(name: str | None = None) -> dict[str, Any]:
    return resource("AWS::SNS::Topic", None, **({"TopicName": name} if name else {}))


def test_a_failed_update_gives_everything_back(account: RunningAccount) -> None:
    def template(**resources: Any) -> dict[str, Any]:
        policy = {"Version": "2012-10-17", "Statement": [_allow_all({"Ref": "Topic"})]}
        return {
            "Parameters": {"Which": {"Type": "String"}},
            "Resources": {
                "TopicPolicy": resource(
                    "AWS::SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=policy
                ),
                **resources,
            },
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}, "Which": {"Value": {"Ref": "Which"}}},
        }

    def which(value: str) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": "Which", "ParameterValue": value}]}

    former = template(Topic=_topic("rolled-back-one"), Kept=queue(1), Gone=queue(2))
    before = change(account, "rolled-back", former, "CREATE", **which("one"))
    wanted = template(
        Topic=_topic("rolled-back-two"),
        Kept=queue(5),
        Added=queue(7),
        Broken=broken("Kept", "Topic", "TopicPolicy", "Added"),
    )
    after = change(account, "rolled-back", wanted, **which("two"))
    assert after["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "[Broken]" in after["StackStatusReason"]
    assert delays(account, "rolled-back") == ["1", "2"]
    assert after["Outputs"] == before["Outputs"]
    assert after["Parameters"] == before["Parameters"]
    assert (
        account.client("cloudformation").get_template(StackName="rolled-back")["TemplateBody"]
        == former
    )
    sns = account.client("sns")
    arn = outputs(after)["Topic"]
    policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    assert policy["Statement"][0]["Resource"] == arn
    assert not [
        each for each in sns.list_topics()["Topics"] if "rolled-back-two" in each["TopicArn"]
    ]
    statuses = [
        status for name, status, _ in events(account, "rolled-back") if name == "rolled-back"
    ]
    assert statuses[-4:] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    again = template(Topic=_topic("rolled-back-one"), Kept=queue(3))
    assert change(account, "rolled-back", again, **which("3"))["StackStatus"] == "UPDATE_COMPLETE"
    assert delays(account, "rolled-back") == ["3"]


def _allow_all(arn: Any) -> dict[str, Any]:
    principal = {"AWS": "arn:aws:iam::123456789012:root"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sns:Publish", "Resource": arn}


def test_a_failed_creation_deletes_what_it_created_last_things_first(
    account: RunningAccount,
) -> None:
    resources = {
        "First": queue(),
        "Second": queue() | {"DependsOn": "First"},
        "Broken": broken("Second"),
        "Beside": queue() | {"DependsOn": "Second"},
        "Never": queue() | {"DependsOn": "Broken"},
    }
    stack = change(account, "undone", {"Resources": resources}, "CREATE")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    seen = events(account, "undone")
    assert ("Beside", "CREATE_FAILED", "Resource creation cancelled") in seen
    assert not [event for event in seen if event[0] == "Never"]
    deleted = [name for name, status, _ in seen if status == "DELETE_COMPLETE"]
    assert deleted == ["Second", "First"]
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        change(account, "undone", {"Resources": {"First": queue()}})
    account.client("cloudformation").delete_stack(StackName="undone")
    assert change(account, "undone", {"Resources": {"First": queue()}}, "CREATE")[
        "StackStatus"
    ] == ("CREATE_COMPLETE")


def test_what_refers_to_a_replaced_resource_is_updated_too(account: RunningAccount) -> None:
    def template(name: str) -> dict[str, Any]:
        subscription = resource(
            "AWS::SNS::Subscription",
            TopicArn={"Ref": "Topic"},
            Protocol="sqs",
            Endpoint={"Fn::GetAtt": ["Queue", "Arn"]},
        )
        resources = {"Queue": queue(), "Topic": _topic(name), "Subscription": subscription}
        return {"Resources": resources, "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}}

    change(account, "followed", template("followed-one"), "CREATE")
    stack = change(account, "followed", template("followed-two"))
    assert outputs(stack)["Topic"].endswith(":followed-two")
    subscriptions = account.client("sns").list_subscriptions()["Subscriptions"]
    mine = [each for each in subscriptions if ":followed-" in each["TopicArn"]]
    assert [each["TopicArn"] for each in mine] == [outputs(stack)["Topic"]]
    seen = [(name, status) for name, status, _ in events(account, "followed")]
    cleanup = seen.index(("followed", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    assert seen.index(("Topic", "DELETE_COMPLETE")) > cleanup
    assert seen.index(("Subscription", "DELETE_COMPLETE")) < seen.index(
        ("Topic", "DELETE_COMPLETE")
    )


def test_a_custom_named_resource_cannot_be_replaced(account: RunningAccount) -> None:
    def template(description: str) -> dict[str, Any]:
        group = resource(
            "AWS::SageMaker::ModelPackageGroup",
            ModelPackageGroupName="custom-named",
            ModelPackageGroupDescription=description,
        )
        return {"Resources": {"Group": group}}

    change(account, "named", template("one"), "CREATE")
    stack = change(account, "named", template("two"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Rename custom-named and update the stack again" in stack["StackStatusReason"]


@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_policies_keep_resources(account: RunningAccount, policy: str) -> None:
    name = f"keeps-{policy.lower()}"
    kept = resource("AWS::SNS::Topic", {policy: "Retain"}, TopicName=f"{name}-one")
    change(account, name, {"Resources": {"Topic": kept, "Queue": queue()}}, "CREATE")
    other = {"Topic": resource("AWS::SNS::Topic", {policy: "Retain"}, TopicName=f"{name}-two")}
    gone: dict[str, Any] = {} if policy == "DeletionPolicy" else other
    change(account, name, {"Resources": {"Queue": queue(), **gone}})
    topics = account.client("sns").list_topics()["Topics"]
    assert [each for each in topics if each["TopicArn"].endswith(f":{name}-one")]
    assert ("Topic", "DELETE_SKIPPED", "") in events(account, name)


def test_a_removed_property_goes_back_to_its_default(account: RunningAccount) -> None:
    change(account, "defaults", {"Resources": {"Queue": queue(9)}}, "CREATE")
    change(account, "defaults", {"Resources": {"Queue": resource("AWS::SQS::Queue")}})
    assert delays(account, "defaults") == ["0"]


def test_without_rollback_a_failure_stays_until_it_is_mended_or_rolled_back(
    account: RunningAccount,
) -> None:
    first = {"Resources": {"Queue": queue(1)}}
    failing = {"Resources": {"Queue": queue(4), "Broken": broken("Queue")}}
    change(account, "let-be", first, "CREATE")
    stack = change(account, "let-be", failing, DisableRollback=True)
    assert (stack["StackStatus"], delays(account, "let-be")) == ("UPDATE_FAILED", ["4"])
    account.client("cloudformation").rollback_stack(StackName="let-be")
    assert delays(account, "let-be") == ["1"]
    change(account, "let-be", failing, DisableRollback=True)
    mended = change(account, "let-be", {"Resources": {"Queue": queue(6)}}, DisableRollback=True)
    assert (mended["StackStatus"], delays(account, "let-be")) == ("UPDATE_COMPLETE", ["6"])


@pytest.mark.parametrize(
    ("on_failure", "status"),
    [
        ("DO_NOTHING", "CREATE_FAILED"),
        ("DELETE", "DELETE_COMPLETE"),
        ("ROLLBACK", "ROLLBACK_COMPLETE"),
    ],
)
def test_on_failure_says_what_becomes_of_a_new_stack(
    account: RunningAccount, on_failure: str, status: str
) -> None:
    name = f"on-failure-{on_failure.lower().replace('_', '-')}"
    template = {"Resources": {"Queue": queue(), "Broken": broken("Queue")}}
    stack = change(account, name, template, "CREATE", OnStackFailure=on_failure)
    assert stack["StackStatus"] == status
    assert len(delays(account, name)) == (1 if on_failure == "DO_NOTHING" else 0)


def test_an_export_in_use_can_be_neither_changed_nor_deleted(account: RunningAccount) -> None:
    def exporter(name: str) -> dict[str, Any]:
        output = {"Value": {"Ref": "Topic"}, "Export": {"Name": "used-export"}}
        return {"Resources": {"Topic": _topic(name)}, "Outputs": {"Topic": output}}

    imported = {"Value": {"Fn::ImportValue": "used-export"}}
    change(account, "exporting", exporter("exporting-one"), "CREATE")
    change(
        account, "importing", {"Resources": {"Q": queue()}, "Outputs": {"T": imported}}, "CREATE"
    )
    stack = change(account, "exporting", exporter("exporting-two"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot be updated as it is in use by importing" in stack["StackStatusReason"]
    cloudformation = account.client("cloudformation")
    cloudformation.delete_stack(StackName="exporting")
    found = cloudformation.describe_stacks(StackName="exporting")["Stacks"][0]
    assert "in use by importing" in found["StackStatusReason"]
    for name in ("importing", "exporting"):
        cloudformation.delete_stack(StackName=name)
        with pytest.raises(ClientError, match="does not exist"):
            cloudformation.describe_stacks(StackName=name)


def test_a_protected_stack_is_not_deleted(account: RunningAccount) -> None:
    change(account, "protected", {"Resources": {"Queue": queue()}}, "CREATE")
    cloudformation = account.client("cloudformation")
    protect = cloudformation.update_termination_protection
    protect(StackName="protected", EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="while TerminationProtection is enabled"):
        cloudformation.delete_stack(StackName="protected")
    protect(StackName="protected", EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName="protected")
    assert delays(account, "protected") == []


def test_conditions_decide_what_there_is(account: RunningAccount) -> None:
    template = {
        "Parameters": {"Size": {"Type": "String", "AllowedValues": ["small", "large"]}},
        "Conditions": {"Large": {"Fn::Equals": [{"Ref": "Size"}, "large"]}},
        "Resources": {
            "Always": queue(0, KmsMasterKeyId={"Fn::If": ["Large", "k", {"Ref": "AWS::NoValue"}]}),
            "Second": queue(1) | {"Condition": "Large"},
        },
        "Outputs": {"Second": {"Condition": "Large", "Value": {"Ref": "Second"}}},
    }

    def size(value: str) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": "Size", "ParameterValue": value}]}

    assert not outputs(change(account, "sized", template, "CREATE", **size("small")))
    assert set(outputs(change(account, "sized", template, **size("large")))) == {"Second"}
    assert delays(account, "sized") == ["0", "1"]
    change(account, "sized", template, **size("small"))
    assert delays(account, "sized") == ["0"]
    with pytest.raises(ClientError, match="must be one of AllowedValues"):
        change(account, "sized", template, **size("huge"))
