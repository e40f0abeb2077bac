"""Events reach the targets of the rules that they match, or a dead-letter queue."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local_account.services.delivery import Delivery, Parcel, Sender
from tests.account.roles import create_role, document
from tests.account.workloads import queue
from tests.conftest import RunningAccount

ROLE = "arn:aws:iam::123456789012:role/rule"
PASS = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}})


def _message(account: RunningAccount, url: str) -> dict[str, Any]:
    answer = account.client("sqs").receive_message(
        QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )
    message: dict[str, Any] = answer["Messages"][0]
    return message


@pytest.fixture(scope="module")
def bucket(account: RunningAccount) -> str:
    create_role(account, "rule", "events")
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
    url, arn = queue(account, "uploads")
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
    role = create_role(account, "machine", "states")
    arn = machine.create_state_machine(name="started", definition=PASS, roleArn=role)
    arn = arn["stateMachineArn"]
    target = {"Arn": arn, "RoleArn": ROLE, "InputPath": "$.detail.object"}
    _rule(account, "starts", [{"suffix": "/start.csv"}], target)
    account.client("s3").put_object(Bucket=bucket, Key="v1/start.csv", Body=b"1")
    deadline = time.monotonic() + 30
    while not (started := machine.list_executions(stateMachineArn=arn)["executions"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    execution = machine.describe_execution(executionArn=started[0]["executionArn"])
    assert json.loads(execution["input"])["key"] == "v1/start.csv"


def test_a_disabled_rule_delivers_nothing(account: RunningAccount, bucket: str) -> None:
    url, arn = queue(account, "disabled")
    _rule(account, "disabled", [{"suffix": "/disabled.csv"}], {"Arn": arn})
    account.client("events").disable_rule(Name="disabled")
    account.client("s3").put_object(Bucket=bucket, Key="x/disabled.csv", Body=b"1")
    answer = account.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert "Messages" not in answer


def test_an_event_that_cannot_be_delivered_is_dead_lettered_with_its_reason(
    account: RunningAccount, bucket: str
) -> None:
    url, arn = queue(account, "dead-letters")
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
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"


def test_a_function_that_does_not_exist_is_dead_lettered(
    account: RunningAccount, bucket: str
) -> None:
    url, arn = queue(account, "no-function")
    gone = f"arn:aws:lambda:us-east-1:{account.contact['account_id']}:function:gone"
    target = {"Arn": gone, "DeadLetterConfig": {"Arn": arn}}
    _rule(account, "no-function", [{"suffix": "/gone.csv"}], target)
    account.client("s3").put_object(Bucket=bucket, Key="x/gone.csv", Body=b"1")
    attributes = _message(account, url)["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS", "it has no policy"
    assert attributes["RETRY_ATTEMPTS"]["StringValue"] == "0"
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes, "it was not retried"
    assert "gone" in attributes["ERROR_MESSAGE"]["StringValue"]


RULE = "arn:aws:events:us-east-1:123456789012:rule/uploads"
SENDER = Sender("events.amazonaws.com", RULE)


@pytest.mark.parametrize(
    ("key", "matching", "other"),
    [
        ([{"wildcard": "*/train/*"}], "v1/train/a b+ü.csv", "v1/training/a.csv"),
        ([{"prefix": "v1/"}, {"suffix": ".json"}], "v2/x.json", "v2/x.csv"),
        ([{"prefix": {"equals-ignore-case": "V1/"}}], "v1/x", "v2/x"),
        ([{"anything-but": {"suffix": [".csv", ".json"]}}], "v1/x.txt", "v1/x.json"),
        ([{"anything-but": {"wildcard": "*/_*"}}], "v1/a", "v1/_MANIFEST.json"),
        (["v1/exact"], "v1/exact", "v1/exact2"),
    ],
)
def test_a_pattern_matches_keys_as_eventbridge_does(
    account: RunningAccount, bucket: str, key: Any, matching: str, other: str
) -> None:
    url, arn = queue(account, "matching")
    _rule(account, "matching", key, {"Arn": arn})
    for uploaded in (other, matching):
        account.client("s3").put_object(Bucket=bucket, Key=uploaded, Body=b"1")
    message = _message(account, url)
    assert json.loads(message["Body"])["detail"]["object"]["key"] == matching
    account.client("events").disable_rule(Name="matching")
    account.client("sqs").delete_queue(QueueUrl=url)


def _put(account: RunningAccount, *entries: dict[str, Any]) -> dict[str, Any]:
    return dict(account.client("events").put_events(Entries=list(entries)))


def _listening(account: RunningAccount, name: str, **more: str) -> str:
    url, arn = queue(account, name)
    events, pattern = account.client("events"), json.dumps({"source": ["the.tests"]})
    events.put_rule(Name=name, EventPattern=pattern, **more)
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}], **more)
    return url


ENTRY = {"Source": "the.tests", "DetailType": "Tested", "Detail": "{}"}


def test_an_event_reaches_the_rules_of_its_own_bus_only(account: RunningAccount) -> None:
    created = account.client("events").create_event_bus(Name="other")["EventBusArn"]
    default = _listening(account, "of-default")
    other = _listening(account, "of-other", EventBusName="other")
    answer = _put(
        account,
        {**ENTRY, "EventBusName": "other", "DetailType": "by name"},
        {**ENTRY, "EventBusName": "unknown"},
    )
    assert answer["FailedEntryCount"] == 0, "AWS drops what is put on a bus that does not exist"
    assert all(entry["EventId"] for entry in answer["Entries"])
    assert json.loads(_message(account, other)["Body"])["detail-type"] == "by name"
    _put(account, {**ENTRY, "Time": datetime(2026, 3, 4, 6, tzinfo=UTC)})
    event = json.loads(_message(account, default)["Body"])
    assert (event["detail-type"], event["time"]) == ("Tested", "2026-03-04T06:00:00Z")
    _put(account, {**ENTRY, "EventBusName": created, "DetailType": "by ARN"})
    assert json.loads(_message(account, other)["Body"])["detail-type"] == "by ARN"
    for name in ("of-default", "of-other"):
        more = {"EventBusName": "other"} if name == "of-other" else {}
        account.client("events").disable_rule(Name=name, **more)


def test_a_bus_of_another_account_is_refused_by_name(account: RunningAccount) -> None:
    bus = "arn:aws:events:us-east-1:210987654321:event-bus/default"
    with pytest.raises(ClientError, match=f"UnsupportedOperation.*{bus}"):
        _put(account, {**ENTRY, "EventBusName": bus})


def test_an_entry_that_is_no_event_fails_alone(account: RunningAccount) -> None:
    incomplete = [{k: v for k, v in ENTRY.items() if k != name} for name in ENTRY]
    malformed = [{**ENTRY, "Detail": detail} for detail in ("{", "[]")]
    answer = _put(account, *incomplete, *malformed, ENTRY)
    codes = [entry.get("ErrorCode") for entry in answer["Entries"]]
    assert codes == [*["InvalidArgument"] * 3, *["MalformedDetail"] * 2, None]
    assert answer["FailedEntryCount"] == 5
    assert "DetailType" in answer["Entries"][1]["ErrorMessage"]
    with pytest.raises(ClientError, match="ValidationException"):
        _put(account, *[ENTRY] * 11)


class _Queues:
    """Stands for the account: keeps what is sent to a dead-letter queue."""

    sent: dict[str, Any]

    def client(self, service: str, **_: Any) -> Any:
        return self

    @property
    def identities(self) -> Any:
        return self

    def of_service(self, *_: str) -> None:
        """Whoever sends may."""

    def get_queue_url(self, **_: str) -> dict[str, str]:
        return {"QueueUrl": "letters"}

    def send_message(self, **message: Any) -> None:
        self.sent = message


class _Unreachable(_Queues):
    """An account whose state machines do not answer."""

    def start_execution(self, **_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://gone.invalid")


@pytest.mark.parametrize(
    ("policy", "retries", "condition"),
    [
        ({"MaximumEventAgeInSeconds": 0.4}, "1", "MaximumEventAgeInSeconds"),
        ({"MaximumRetryAttempts": 2}, "2", "MaximumRetryAttempts"),
        ({}, "3", "MaximumRetryAttempts"),
    ],
)
def test_retries_end_with_their_number_or_with_the_age_of_the_event(
    policy: dict[str, Any], retries: str, condition: str
) -> None:
    arn, letters = "arn:aws:states:us-east-1:1:stateMachine:m", "arn:aws:sqs:us-east-1:1:letters"
    target = {"Arn": arn, "DeadLetterConfig": {"Arn": letters}, "RetryPolicy": policy}
    queues: Any = _Unreachable()
    delivery = Delivery(queues)
    parcel = Parcel(
        SENDER, target, "name", lambda _: "{}", lambda *what: ("body", {"RETRIES": str(what[2])})
    )
    delivery.submit(parcel)
    delivery._deliveries.shutdown(wait=True)
    attributes = queues.sent["MessageAttributes"]
    assert attributes["RETRIES"]["StringValue"] == retries
    assert attributes["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == condition


def test_a_delivery_that_fails_unexpectedly_is_printed_and_dead_lettered(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def payload(_: int) -> str:
        raise ZeroDivisionError("unforeseen")

    target = {"Arn": RULE, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:1:letters"}}
    queues: Any = _Queues()
    delivery = Delivery(queues)
    parcel = Parcel(SENDER, target, "name", payload, lambda *what: ("body", {"CODE": what[0]}))
    delivery.submit(parcel)
    delivery._deliveries.shutdown(wait=True)
    assert queues.sent["MessageBody"] == "body"
    assert queues.sent["MessageAttributes"]["CODE"]["StringValue"] == "INTERNAL_ERROR"
    assert "ZeroDivisionError: unforeseen" in capfd.readouterr().err


def test_events_reach_topics_and_log_groups(account: RunningAccount, bucket: str) -> None:
    url, arn = queue(account, "by-topic")
    sns, logs = account.client("sns"), account.client("logs")
    topic = sns.create_topic(Name="by-topic")["TopicArn"]
    publishing = document({"Action": "sns:Publish", "Resource": topic}, "events")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=publishing)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    logs.create_log_group(logGroupName="/aws/events/uploads")
    group = f"arn:aws:logs:us-east-1:{account.contact['account_id']}:log-group:/aws/events/uploads"
    writing = document(
        {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": f"{group}:*"},
        "events",
    )
    logs.put_resource_policy(policyName="events", policyDocument=writing)
    _rule(account, "by-topic", [{"suffix": "/topic.csv"}], {"Arn": topic})
    _rule(account, "to-logs", [{"suffix": "/topic.csv"}], {"Arn": group})
    account.client("s3").put_object(Bucket=bucket, Key="v/topic.csv", Body=b"1")
    envelope = json.loads(_message(account, url)["Body"])
    assert json.loads(envelope["Message"])["detail"]["object"]["key"] == "v/topic.csv"
    deadline = time.monotonic() + 30
    while not (found := logs.filter_log_events(logGroupName="/aws/events/uploads")["events"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert json.loads(found[0]["message"])["source"] == "aws.s3"
