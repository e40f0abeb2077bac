"""Whatever fails, and whoever comes at the same time: a stack ends in a state with a way out."""

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.stacks import broken, change, delays, events, queue, resource
from tests.conftest import RunningAccount

REFUSED = {"effect": "error", "code": "Refused", "status": 400, "times": None}


def _fault(service: str, operation: str, contains: str, skip: int = 0) -> dict[str, Any]:
    asked = {"service": service, "operation": operation, "contains": contains}
    return {**REFUSED, **asked, "skip": skip}


def test_a_change_that_is_refused_leaves_the_resource_as_it_was(account: RunningAccount) -> None:
    def template(stream: str) -> dict[str, Any]:
        table = resource(
            "AWS::DynamoDB::Table",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamViewType": stream},
        )
        return {"Resources": {"Table": table}}

    change(account, "refusing", template("KEYS_ONLY"), "CREATE")
    stack = change(account, "refusing", template("NEW_IMAGE"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "StreamSpecification cannot be changed" in stack["StackStatusReason"]


def test_the_key_of_a_log_group_is_changed_in_place(account: RunningAccount) -> None:
    kms, logs = account.client("kms"), account.client("logs")
    keys = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    for kind, key in (("CREATE", keys[0]), ("UPDATE", keys[1]), ("UPDATE", None)):
        log = {"LogGroupName": "/rekeyed", **({"KmsKeyId": key} if key else {})}
        template = {"Resources": {"Log": resource("AWS::Logs::LogGroup", **log)}}
        stack = change(account, "rekeyed", template, kind)
        assert stack["StackStatus"] == f"{kind}_COMPLETE"
        (group,) = logs.describe_log_groups(logGroupNamePrefix="/rekeyed")["logGroups"]
        assert group.get("kmsKeyId") == key


def test_what_is_created_and_neither_completed_nor_deleted_stays_with_its_stack(
    account: RunningAccount,
) -> None:
    log = resource("AWS::Logs::LogGroup", LogGroupName="/half-made", RetentionInDays=7)
    faults = (
        _fault("logs", "PutRetentionPolicy", "/half-made"),
        _fault("logs", "DeleteLogGroup", "/half-made"),
    )
    with account.faults(*faults):
        stack = change(account, "half-made", {"Resources": {"Log": log}}, "CREATE")
    assert stack["StackStatus"] == "ROLLBACK_FAILED"
    failed = [event for event in events(account, "half-made") if event[1] == "CREATE_FAILED"]
    assert "PutRetentionPolicy" in failed[0][2]
    logs, cloudformation = account.client("logs"), account.client("cloudformation")
    assert logs.describe_log_groups(logGroupNamePrefix="/half-made")["logGroups"]
    cloudformation.delete_stack(StackName="half-made")
    assert not logs.describe_log_groups(logGroupNamePrefix="/half-made")["logGroups"]


def test_what_was_half_made_is_completed_when_it_is_tried_again(account: RunningAccount) -> None:
    log = resource("AWS::Logs::LogGroup", LogGroupName="/half-let-be", RetentionInDays=7)
    other = {"Resources": {"Log": log, "Queue": queue()}}
    with account.faults(_fault("logs", "PutRetentionPolicy", "/half-let-be")):
        change(account, "half-let-be", {"Resources": {"Log": log}}, "CREATE", DisableRollback=True)
    assert change(account, "half-let-be", other)["StackStatus"] == "UPDATE_COMPLETE"
    found = account.client("logs").describe_log_groups(logGroupNamePrefix="/half-let-be")
    assert found["logGroups"][0]["retentionInDays"] == 7


def test_a_rollback_that_fails_too_can_be_gone_on_with(account: RunningAccount) -> None:
    def template(seconds: int, **more: Any) -> dict[str, Any]:
        return {"Resources": {"Queue": queue(seconds, QueueName="stuck"), **more}}

    change(account, "stuck", template(1), "CREATE")
    with account.faults(_fault("sqs", "SetQueueAttributes", "/stuck", skip=1)):
        stack = change(account, "stuck", template(2, Broken=broken("Queue")))
    assert (stack["StackStatus"], delays(account, "stuck")) == ("UPDATE_ROLLBACK_FAILED", ["2"])
    cloudformation = account.client("cloudformation")
    with pytest.raises(ClientError, match="is in UPDATE_ROLLBACK_FAILED state and can not be upd"):
        change(account, "stuck", template(3))
    cloudformation.continue_update_rollback(StackName="stuck")
    assert delays(account, "stuck") == ["1"]
    with pytest.raises(ClientError, match="can not continue rollback"):
        cloudformation.continue_update_rollback(StackName="stuck")
    assert change(account, "stuck", template(4))["StackStatus"] == "UPDATE_COMPLETE"


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Select": ["x", ["a"]]},
        {"Fn::Join": "no list"},
        {"Fn::Split": [1, "a"]},
        {"Fn::FindInMap": ["None"]},
        {"Fn::If": ["C"]},
    ],
    ids=lambda value: next(iter(value)),
)
@pytest.mark.parametrize("part", ["resource", "output"])
def test_a_function_that_cannot_be_carried_out_fails_the_stack(
    account: RunningAccount, part: str, value: dict[str, Any]
) -> None:
    name = f"malformed-{part}-{next(iter(value)).rpartition(':')[2]}"
    template = (
        {"Resources": {"Queue": queue(), "Topic": resource("AWS::SNS::Topic", TopicName=value)}}
        if part == "resource"
        else {"Resources": {"Queue": queue()}, "Outputs": {"O": {"Value": value}}}
    )
    stack = change(account, name, template, "CREATE")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stack["StackStatusReason"].startswith("Template error: ")
    assert delays(account, name) == []


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"Resources": {"Q": queue() | {"Properties": []}}}, "Properties must be an object"),
        ({"Resources": {"Q": queue()}, "Outputs": {"O": {}}}, "must contain a Value object"),
        (
            {
                "Conditions": {"C": {"Fn::Equals": ["a"]}},
                "Resources": {"Q": queue() | {"Condition": "C"}},
            },
            "not of the expected form",
        ),
    ],
)
def test_a_malformed_template_is_refused(
    account: RunningAccount, template: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        change(account, "malformed", template, "CREATE")
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_one_operation_at_a_time_works_on_a_stack(account: RunningAccount) -> None:
    def template(seconds: int) -> str:
        return json.dumps({"Resources": {f"Q{n}": queue(seconds) for n in range(40)}})

    cloudformation = account.client("cloudformation")
    named = {"StackName": "contended"}

    def in_work(work: Future[Any], status: str) -> None:
        while cloudformation.describe_stacks(**named)["Stacks"][0]["StackStatus"] != status:
            assert not work.done()
            time.sleep(0.01)

    with ThreadPoolExecutor() as pool:
        makers = [
            pool.submit(cloudformation.create_stack, **named, TemplateBody=template(1))
            for _ in range(4)
        ]
        refused: list[Any] = [error for each in makers if (error := each.exception())]
        assert [error.response["Error"]["Code"] for error in refused] == (
            ["AlreadyExistsException"] * 3
        )
        first = pool.submit(cloudformation.update_stack, **named, TemplateBody=template(2))
        in_work(first, "UPDATE_IN_PROGRESS")
        with pytest.raises(ClientError, match="is in UPDATE_IN_PROGRESS state and can not be upd"):
            cloudformation.update_stack(**named, TemplateBody=template(3))
        cloudformation.delete_stack(**named)  # waits for the update
        assert first.result()["StackId"]
    assert delays(account, "contended") == []


def test_the_tags_of_a_stack_are_those_of_its_resources(account: RunningAccount) -> None:
    template = {
        "Resources": {
            "Queue": queue(QueueName="stack-tagged", Tags=[{"Key": "own", "Value": "own"}]),
            "Parameter": resource(
                "AWS::SSM::Parameter", Name="/stack-tagged", Type="String", Value="v"
            ),
        }
    }
    sqs, ssm = account.client("sqs"), account.client("ssm")

    def tags() -> tuple[dict[str, str], dict[str, str]]:
        url = sqs.get_queue_url(QueueName="stack-tagged")["QueueUrl"]
        listed = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/stack-tagged")
        return sqs.list_queue_tags(QueueUrl=url)["Tags"], {
            tag["Key"]: tag["Value"] for tag in listed["TagList"]
        }

    def of_stack(**wanted: str) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in wanted.items()]}

    change(account, "stack-tagged", template, "CREATE", **of_stack(own="stack", more="1"))
    assert tags() == ({"own": "own", "more": "1"}, {"own": "stack", "more": "1"})
    change(account, "stack-tagged", template, **of_stack(more="2"))
    assert tags() == ({"own": "own", "more": "2"}, {"more": "2"})
