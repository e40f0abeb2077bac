"""Topics deliver each protocol's text, writes keep to their conditions, keys stay as they are."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import allow_invoking, allow_sending
from tests.account.sagemaker_fixture import until
from tests.account.workloads import create_function
from tests.conftest import RunningAccount


@pytest.fixture(scope="module")
def topic(account: RunningAccount) -> str:
    return str(account.client("sns").create_topic(Name="messages")["TopicArn"])


@pytest.fixture(scope="module")
def queue(account: RunningAccount, topic: str) -> str:
    sqs = account.client("sqs")
    url = str(sqs.create_queue(QueueName="messages")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    allow_sending(account, url, arn["QueueArn"], "sns")
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return url


def _received(account: RunningAccount, queue: str) -> dict[str, Any]:
    sqs = account.client("sqs")
    message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"][0]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    body: dict[str, Any] = json.loads(message["Body"])
    return body


@pytest.mark.parametrize(
    ("texts", "expected"),
    [({"default": "D", "sqs": "Q", "email": "E"}, "Q"), ({"default": "D", "email": "E"}, "D")],
)
def test_a_queue_gets_its_protocols_text_in_an_envelope(
    account: RunningAccount, topic: str, queue: str, texts: dict[str, str], expected: str
) -> None:
    account.client("sns").publish(
        TopicArn=topic,
        Subject="Run failed",
        Message=json.dumps(texts),
        MessageStructure="json",
        MessageAttributes={"status": {"DataType": "String", "StringValue": "FAILED"}},
    )
    envelope = _received(account, queue)
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", topic)
    assert (envelope["Subject"], envelope["Message"]) == ("Run failed", expected)
    assert envelope["MessageAttributes"]["status"] == {"Type": "String", "Value": "FAILED"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Message": json.dumps({"email": "E"}), "MessageStructure": "json"}, "No default entry"),
        ({"Message": "{", "MessageStructure": "json"}, "failed to parse"),
        ({"Subject": "two\nlines"}, "Invalid parameter: Subject"),
        ({"Subject": "Lauf für heute"}, "Invalid parameter: Subject"),
        ({"Subject": "s" * 101}, "Subject"),
    ],
)
def test_what_aws_does_not_publish_is_refused(
    account: RunningAccount, topic: str, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason) as refused:
        account.client("sns").publish(**{"TopicArn": topic, "Message": "x", **changes})
    assert refused.value.response["Error"]["Code"] == "InvalidParameter"


def test_nobody_outside_is_called_and_a_function_gets_the_record(account: RunningAccount) -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="to-function")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://127.0.0.1:9/nobody")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    function = create_function(account, "notified")
    allow_invoking(account, function, "sns")
    arn = account.client("lambda").get_function(FunctionName=function)["Configuration"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn["FunctionArn"])
    sns.publish(TopicArn=topic, Subject="Run failed", Message="the text of it")
    logs = account.client("logs")

    def logged() -> str | None:
        groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/notified")["logGroups"]
        for group in groups:
            for each in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                if "the text of it" in each["message"]:
                    return str(each["message"])
        return None

    assert "aws:sns" in until(logged)


def test_a_queue_keeps_its_policy_when_another_attribute_changes(account: RunningAccount) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue"}
    sqs, policy = account.client("sqs"), {"Version": "2012-10-17", "Statement": [statement]}
    url = sqs.create_queue(QueueName="kept-policy")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (json.loads(found["Policy"]), found["VisibilityTimeout"]) == (policy, "7")


@pytest.fixture(scope="module")
def table(account: RunningAccount) -> str:
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="claims",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"key": {"S": "a"}, "holder": {"S": "one"}, "expires_at": {"N": "1"}}
    dynamodb.put_item(TableName="claims", Item=item)
    return "claims"


@pytest.mark.parametrize("operation", ["put_item", "update_item", "delete_item"])
def test_a_write_whose_condition_fails_is_refused_and_changes_nothing(
    account: RunningAccount, table: str, operation: str
) -> None:
    dynamodb = account.client("dynamodb")
    key = {"key": {"S": "a"}}
    values: dict[str, Any] = {":other": {"S": "two"}}
    requests: dict[str, dict[str, Any]] = {
        "put_item": {"Item": {**key, "holder": {"S": "two"}}},
        "update_item": {"Key": key, "UpdateExpression": "SET holder = :other"},
        "delete_item": {"Key": key},
    }
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        getattr(dynamodb, operation)(
            TableName=table,
            ConditionExpression="attribute_not_exists(#key) OR holder = :other",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues=values,
            **requests[operation],
        )
    item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    assert item["holder"] == {"S": "one"}


@pytest.fixture(scope="module")
def bucket(account: RunningAccount) -> str:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="conditions")
    s3.put_bucket_versioning(Bucket="conditions", VersioningConfiguration={"Status": "Enabled"})
    return "conditions"


def test_an_object_is_written_under_conditions(account: RunningAccount, bucket: str) -> None:
    s3 = account.client("s3")
    etag = s3.put_object(Bucket=bucket, Key="claim", Body=b"1", IfNoneMatch="*")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0"'}):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key="claim", Body=b"2", **condition)
        assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    s3.put_object(Bucket=bucket, Key="claim", Body=b"2", IfMatch=etag)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.put_object(Bucket=bucket, Key="absent", Body=b"2", IfMatch=etag)


@pytest.mark.parametrize("key", ["v 1/a+b ü&=.csv", "v%201/x", "x" * 1024])
def test_a_key_stays_as_it_is_and_its_checksum_is_told(
    account: RunningAccount, bucket: str, key: str
) -> None:
    s3 = account.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"1", ChecksumAlgorithm="SHA256")
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    checksum = "a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s="  # pragma: allowlist secret
    assert head["ChecksumSHA256"] == checksum
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key[:3])["Contents"]
    assert key in [each["Key"] for each in listed]


def test_prefixes_are_listed_and_a_key_that_is_too_long_is_refused(
    account: RunningAccount, bucket: str
) -> None:
    s3 = account.client("s3")
    for key in ("list 1/train/a", "list 1/train/b", "list 2/train/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    answer = s3.list_objects_v2(Bucket=bucket, Prefix="list", Delimiter="/")
    assert [each["Prefix"] for each in answer["CommonPrefixes"]] == ["list 1/", "list 2/"]
    with pytest.raises(ClientError, match="KeyTooLongError"):
        s3.put_object(Bucket=bucket, Key="ü" * 513, Body=b"1")
