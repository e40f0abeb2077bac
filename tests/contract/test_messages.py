"""SQS and SNS."""

import json

import pytest

from tests.contract.account import Aws, refused, statement

MISSING_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


@pytest.mark.contract(
    *("sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:ListQueues", "sqs:DeleteQueue"),
    *("sqs:SetQueueAttributes", "sqs:GetQueueAttributes"),
)
def test_a_queue_from_creation_to_deletion(aws: Aws) -> None:
    sqs, (url, arn) = aws.client("sqs"), aws.queue()
    name = arn.rpartition(":")[2]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    other = {"QueueName": name, "Attributes": {"DelaySeconds": "7"}}
    assert refused(sqs.create_queue, **other) in ("QueueAlreadyExists", "QueueNameExists")
    aws.until(lambda: url in sqs.list_queues(QueueNamePrefix=aws.prefix).get("QueueUrls", []))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "9"})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["QueueArn"]) == ("9", arn)
    sqs.delete_queue(QueueUrl=url)
    assert refused(sqs.get_queue_url, QueueName=aws.name("absent")) in MISSING_QUEUE


@pytest.mark.contract(
    "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"
)
def test_a_message_is_received_until_it_is_deleted(aws: Aws) -> None:
    sqs, (url, _) = aws.client("sqs"), aws.queue()
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    kind = {"kind": {"DataType": "String", "StringValue": "test"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="one", MessageAttributes=kind)
    read = {"QueueUrl": url, "MessageAttributeNames": ["All"], "WaitTimeSeconds": 2}
    (first,) = aws.until(lambda: sqs.receive_message(**read).get("Messages"))
    assert (first["MessageId"], first["Body"]) == (sent["MessageId"], "one")
    assert first["MessageAttributes"]["kind"]["StringValue"] == "test"
    (again,) = aws.until(lambda: sqs.receive_message(**read).get("Messages"))
    assert again["MessageId"] == first["MessageId"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    sqs.send_message(QueueUrl=url, MessageBody="two")
    sqs.purge_queue(QueueUrl=url)
    attributes = {"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]}
    aws.until(
        lambda: (
            sqs.get_queue_attributes(**attributes)["Attributes"]
            == {"ApproximateNumberOfMessages": "0"}
        )
    )
    large = {"QueueUrl": url, "MessageBody": "x" * ((1 << 20) + 1)}
    assert refused(sqs.send_message, **large) in ("InvalidParameterValue", "InvalidMessageContents")


@pytest.mark.contract(
    *("sns:CreateTopic", "sns:DeleteTopic", "sns:ListTopics", "sns:TagResource"),
    *("sns:SetTopicAttributes", "sns:GetTopicAttributes"),
)
def test_a_topic_from_creation_to_deletion(aws: Aws) -> None:
    sns, topic = aws.client("sns"), _topic(aws)
    assert sns.create_topic(Name=aws.name("topic"))["TopicArn"] == topic
    pages = sns.get_paginator("list_topics").paginate()
    assert topic in [each["TopicArn"] for page in pages for each in page["Topics"]]
    name = {"AttributeName": "DisplayName", "AttributeValue": "shown"}
    sns.set_topic_attributes(TopicArn=topic, **name)
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}])
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["DisplayName"], found["TopicArn"]) == ("shown", topic)
    sns.delete_topic(TopicArn=topic)
    assert refused(sns.get_topic_attributes, TopicArn=f"{topic}-absent") == "NotFound"


@pytest.mark.contract(
    *("sns:Subscribe", "sns:Publish", "sns:ListSubscriptionsByTopic", "sns:Unsubscribe"),
    "sns:SetSubscriptionAttributes",
)
def test_a_queue_receives_what_is_published(aws: Aws) -> None:
    sns, topic = aws.client("sns"), _topic(aws)
    url, queue = aws.queue(sender="sns.amazonaws.com")
    to_queue = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue}
    subscription = sns.subscribe(**to_queue)["SubscriptionArn"]
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(each["SubscriptionArn"], each["Endpoint"]) for each in listed] == [
        (subscription, queue)
    ]
    sent = sns.publish(TopicArn=topic, Subject="about", Message="words")
    envelope = json.loads(aws.message(url)["Body"])
    assert (
        envelope.items()
        >= {
            "Type": "Notification",
            "MessageId": sent["MessageId"],
            "TopicArn": topic,
            "Subject": "about",
            "Message": "words",
        }.items()
    )
    raw = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
    sns.set_subscription_attributes(SubscriptionArn=subscription, **raw)
    sns.publish(TopicArn=topic, Message="bare")
    assert aws.message(url)["Body"] == "bare"
    sns.unsubscribe(SubscriptionArn=subscription)
    aws.until(lambda: not sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"])
    assert refused(sns.publish, TopicArn=f"{topic}-absent", Message="x") == "NotFound"
    assert refused(sns.publish, TopicArn=topic, Message="") == "InvalidParameter"
    strange = {"TopicArn": topic, "Protocol": "pigeon", "Endpoint": queue}
    assert refused(sns.subscribe, **strange) == "InvalidParameter"


def _topic(aws: Aws) -> str:
    sns = aws.client("sns")
    topic: str = sns.create_topic(Name=aws.name("topic"))["TopicArn"]
    aws.later(sns.delete_topic, TopicArn=topic)
    return topic


@pytest.mark.contract("AWS::SQS::QueuePolicy.PolicyDocument")
def test_a_queue_takes_nothing_from_a_service_that_its_policy_does_not_name(aws: Aws) -> None:
    """A topic's message to such a queue is lost, and Publish succeeds."""
    sns, topic = aws.client("sns"), _topic(aws)
    url, queue = aws.queue(sender="events.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="lost")
    allowed = statement(
        Principal={"Service": "sns.amazonaws.com"}, Action="sqs:SendMessage", Resource=queue
    )
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": allowed})
    sns.publish(TopicArn=topic, Message="kept")
    assert json.loads(aws.message(url)["Body"])["Message"] == "kept"
