"""Events reach the targets of the rules that they match, or a dead-letter queue."""

import json
import time
from typing import Any

import pytest

from tests.conftest import RunningAccount

ROLE = "arn:aws:iam::123456789012:role/rule"
PASS = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}})


def _queue(account: RunningAccount, name: str) -> tuple[str, str]:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, attributes["QueueArn"]


def _message(account: RunningAccount, url: str) -> dict[str, Any]:
    answer = account.client("sqs").receive_message(
        QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )
    message: dict[str, Any] = answer["Messages"][0]
    return message


@pytest.fixture(scope="module")
def bucket(account: RunningAccount) -> str:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="events")
    s3.put_bucket_versioning(Bucket="events", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="events", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    return "events"


def _rule(account: RunningAccount, name: str, key: Any, target: dict[str, Any]) -> None:
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["events"]}, "object": {"key": key}},
    }
    events = account.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])


def test_an_upload_is_an_event_as_s3_sends_it(account: RunningAccount, bucket: str) -> None:
    url, arn = _queue(account, "uploads")
    _rule(account, "uploads", [{"suffix": "/shape.csv"}], {"Arn": arn})
    key = "a b+ü/shape.csv"
    put = account.client("s3").put_object(Bucket=bucket, Key=key, Body=b"123")
    event = json.loads(_message(account, url)["Body"])
    assert set(event) == {
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources"),
        "detail",
    }
    assert event["resources"] == ["arn:aws:s3:::events"]
    detail = event["detail"]
    assert set(detail) == {
        *("version", "bucket", "object", "request-id", "requester", "source-ip-address"),
        "reason",
    }
    assert detail["object"]["key"] == key
    assert detail["object"]["version-id"] == put["VersionId"]
    assert detail["object"]["etag"] == put["ETag"].strip('"')
    assert detail["reason"] == "PutObject"


def test_an_event_starts_an_execution_with_the_part_that_the_target_asks_for(
    account: RunningAccount, bucket: str
) -> None:
    machine = account.client("stepfunctions")
    arn = machine.create_state_machine(name="started", definition=PASS, roleArn=ROLE)
    arn = arn["stateMachineArn"]
    target = {"Arn": arn, "RoleArn": ROLE, "InputPath": "$.detail.object"}
    _rule(account, "starts", [{"suffix": "/start.csv"}], target)
    account.client("s3").put_object(Bucket=bucket, Key="v1/start.csv", Body=b"1")
    deadline = time.monotonic() + 10
    while not (started := machine.list_executions(stateMachineArn=arn)["executions"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    execution = machine.describe_execution(executionArn=started[0]["executionArn"])
    assert json.loads(execution["input"])["key"] == "v1/start.csv"


def test_a_disabled_rule_delivers_nothing(account: RunningAccount, bucket: str) -> None:
    url, arn = _queue(account, "disabled")
    _rule(account, "disabled", [{"suffix": "/disabled.csv"}], {"Arn": arn})
    account.client("events").disable_rule(Name="disabled")
    account.client("s3").put_object(Bucket=bucket, Key="x/disabled.csv", Body=b"1")
    answer = account.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert "Messages" not in answer


def test_an_event_that_cannot_be_delivered_is_dead_lettered_with_its_reason(
    account: RunningAccount, bucket: str
) -> None:
    url, arn = _queue(account, "dead-letters")
    gone = f"arn:aws:states:us-east-1:{account.contact['account_id']}:stateMachine:gone"
    target = {
        "Arn": gone,
        "RoleArn": ROLE,
        "DeadLetterConfig": {"Arn": arn},
        "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
    }
    _rule(account, "undeliverable", [{"suffix": "/dead.csv"}], target)
    account.client("s3").put_object(Bucket=bucket, Key="x/dead.csv", Body=b"1")
    message = _message(account, url)
    assert json.loads(message["Body"])["detail"]["object"]["key"] == "x/dead.csv"
    attributes = {
        name: value["StringValue"] for name, value in message["MessageAttributes"].items()
    }
    assert attributes["TARGET_ARN"] == gone
    assert attributes["RULE_ARN"].endswith(":rule/undeliverable")
    assert "gone" in attributes["ERROR_MESSAGE"]
    assert attributes["RETRY_ATTEMPTS"] == "1"
