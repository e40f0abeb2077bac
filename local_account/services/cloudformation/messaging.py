"""CloudFormation: queues, topics, rules and schedules."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    deletes,
    put_all,
    refuse_changes,
    request,
    retag,
    tags_of,
    text,
)

_NO_QUEUE_ATTRIBUTES = ("QueueName", "Tags")
_NO_TOPIC_ATTRIBUTES = ("TopicName", "FifoTopic", "Tags", "Subscription")
_NO_SUBSCRIPTION_ATTRIBUTES = ("TopicArn", "Protocol", "Endpoint", "Region")
_QUEUE_DEFAULTS = {
    "DelaySeconds": "0",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "VisibilityTimeout": "30",
}
_SUBSCRIPTION_DEFAULTS = {
    "FilterPolicy": "{}",
    "FilterPolicyScope": "MessageAttributes",
    "RawMessageDelivery": "false",
}


def _attributes(
    properties: Properties,
    without: tuple[str, ...],
    former: Properties | None = None,
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return properties as attributes; those of `former` that are gone get their defaults."""
    gone = {name: defaults.get(name, "") for name in former or {} if name not in without}
    return gone | {name: text(value) for name, value in properties.items() if name not in without}


def _create_queue(account: Account, name: str, properties: Properties) -> Created:
    sqs = account.client("sqs")
    url = sqs.create_queue(
        QueueName=name,
        Attributes=_attributes(properties, _NO_QUEUE_ATTRIBUTES),
        tags=tags_of(properties),
    )["QueueUrl"]
    return Created(url, {"Arn": account.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _update_queue(account: Account, url: str, properties: Properties, former: Properties) -> None:
    sqs, without = account.client("sqs"), (*_NO_QUEUE_ATTRIBUTES, "FifoQueue")
    if attributes := _attributes(properties, without, former, _QUEUE_DEFAULTS):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    retag(sqs, properties, former, "TagQueue", "UntagQueue", QueueUrl=url)


def _put_queue_policy(account: Account, policy: str, properties: Properties) -> None:
    for url in properties["Queues"]:
        account.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _create_queue_policy(account: Account, name: str, properties: Properties) -> Created:
    policy = text(properties["PolicyDocument"])
    put_all(
        properties["Queues"],
        lambda url: _put_queue_policy(account, policy, {"Queues": [url]}),
        lambda url: _put_queue_policy(account, "", {"Queues": [url]}),
    )
    return Created(name, {"Id": name})


def _update_queue_policy(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    gone = [url for url in former.get("Queues", []) if url not in properties["Queues"]]
    _put_queue_policy(account, "", {"Queues": gone})
    _put_queue_policy(account, text(properties["PolicyDocument"]), properties)


def _create_topic(account: Account, name: str, properties: Properties) -> Created:
    fifo = {"FifoTopic": text(properties["FifoTopic"])} if "FifoTopic" in properties else {}
    arn = account.client("sns").create_topic(
        Name=name,
        Attributes={**_attributes(properties, _NO_TOPIC_ATTRIBUTES), **fifo},
        Tags=properties.get("Tags", []),
    )["TopicArn"]
    return Created(arn, {"TopicName": name, "TopicArn": arn})


def _update_topic(account: Account, arn: str, properties: Properties, former: Properties) -> None:
    sns = account.client("sns")
    for name, value in _attributes(properties, _NO_TOPIC_ATTRIBUTES, former).items():
        sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
    retag(sns, properties, former, ResourceArn=arn)


def _configure_topic(
    account: Account, arn: str, properties: Properties, former: Properties
) -> None:
    """Make the subscriptions that the topic itself names those that it has."""
    sns, wanted = account.client("sns"), properties.get("Subscription", [])
    for each in wanted:
        sns.subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    gone = [each for each in former.get("Subscription", []) if each not in wanted]
    for found in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] if gone else []:
        if {"Protocol": found["Protocol"], "Endpoint": found["Endpoint"]} in gone:
            sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])


def _put_topic_policy(account: Account, policy: str, topics: list[str]) -> None:
    for arn in topics:
        account.client("sns").set_topic_attributes(
            TopicArn=arn, AttributeName="Policy", AttributeValue=policy
        )


def _create_topic_policy(account: Account, name: str, properties: Properties) -> Created:
    policy = text(properties["PolicyDocument"])
    put_all(
        properties["Topics"],
        lambda arn: _put_topic_policy(account, policy, [arn]),
        lambda arn: _reset_topic_policy(account, name, {"Topics": [arn]}),
    )
    return Created(name, {"Id": name})


def _update_topic_policy(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    gone = [arn for arn in former.get("Topics", []) if arn not in properties["Topics"]]
    _reset_topic_policy(account, name, {"Topics": gone})
    _put_topic_policy(account, text(properties["PolicyDocument"]), properties["Topics"])


def _reset_topic_policy(account: Account, name: str, properties: Properties) -> None:
    """Give topics the policy again that a new topic has."""
    actions = ("Publish", "Subscribe", "GetTopicAttributes", "SetTopicAttributes", "DeleteTopic")
    for arn in properties["Topics"]:
        statement = {
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [f"SNS:{action}" for action in actions],
            "Resource": arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": account.account_id}},
        }
        policy = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
        delete_if_there(partial(_put_topic_policy, account, text(policy), [arn]))


def _subscribe(account: Account, name: str, properties: Properties) -> Created:
    arn = account.client("sns").subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        Attributes=_attributes(properties, _NO_SUBSCRIPTION_ATTRIBUTES),
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return Created(arn, {"Arn": arn})


def _update_subscription(
    account: Account, arn: str, properties: Properties, former: Properties
) -> None:
    without = _NO_SUBSCRIPTION_ATTRIBUTES
    wanted = _attributes(properties, without, former, _SUBSCRIPTION_DEFAULTS)
    for name, value in wanted.items():
        account.client("sns").set_subscription_attributes(
            SubscriptionArn=arn, AttributeName=name, AttributeValue=value
        )


def _create_rule(account: Account, name: str, properties: Properties) -> Created:
    rule = request(account, "events", "PutRule", properties, without=("Targets",))
    arn = account.client("events").put_rule(**rule)["RuleArn"]
    return Created(name, {"Arn": arn})


def _update_rule(account: Account, name: str, properties: Properties, former: Properties) -> None:
    events = account.client("events")
    rule = request(account, "events", "PutRule", properties, without=("Targets", "Tags"))
    arn = events.put_rule(**rule)["RuleArn"]
    retag(events, properties, former, ResourceARN=arn)


def _put_targets(account: Account, name: str, properties: Properties, former: Properties) -> None:
    events = account.client("events")
    of_rule = {"Rule": name, "EventBusName": properties.get("EventBusName", "default")}
    targets = {target["Id"]: target for target in properties.get("Targets", [])}
    gone = sorted({target["Id"] for target in former.get("Targets", [])} - targets.keys())
    if gone:
        events.remove_targets(**of_rule, Ids=gone)
    if targets:
        parameters = {**of_rule, "Targets": list(targets.values())}
        answer = events.put_targets(**request(account, "events", "PutTargets", parameters))
        if failed := answer.get("FailedEntries"):
            raise ValueError(failed[0]["ErrorMessage"])


def _delete_rule(account: Account, name: str, properties: Properties) -> None:
    events, bus = account.client("events"), properties.get("EventBusName", "default")
    if ids := [target["Id"] for target in properties.get("Targets", [])]:
        delete_if_there(lambda: events.remove_targets(Rule=name, EventBusName=bus, Ids=ids))
    delete_if_there(lambda: events.delete_rule(Name=name, EventBusName=bus))


def _create_group(account: Account, name: str, properties: Properties) -> Created:
    client = account.client("scheduler")
    client.create_schedule_group(Name=name, Tags=properties.get("Tags", []))
    group = client.get_schedule_group(Name=name)
    return Created(
        name,
        {
            "Arn": group["Arn"],
            "State": group["State"],
            "CreationDate": group["CreationDate"].isoformat(),
            "LastModificationDate": group["LastModificationDate"].isoformat(),
        },
    )


def _tag_group(account: Account, name: str, properties: Properties, former: Properties) -> None:
    client = account.client("scheduler")
    arn = client.get_schedule_group(Name=name)["Arn"]
    retag(client, properties, former, ResourceArn=arn)


def _schedule(account: Account, operation: str, properties: Properties) -> dict[str, Any]:
    return request(account, "scheduler", operation, properties)


def _create_schedule(account: Account, name: str, properties: Properties) -> Created:
    parameters = _schedule(account, "CreateSchedule", {**properties, "Name": name})
    arn = account.client("scheduler").create_schedule(**parameters)["ScheduleArn"]
    return Created(name, {"Arn": arn})


def _update_schedule(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    refuse_changes(properties, former, "GroupName")
    parameters = _schedule(account, "UpdateSchedule", {**properties, "Name": name})
    account.client("scheduler").update_schedule(**parameters)


def _delete_schedule(account: Account, name: str, properties: Properties) -> None:
    group = properties.get("GroupName", "default")
    delete_if_there(lambda: account.client("scheduler").delete_schedule(Name=name, GroupName=group))


RESOURCE_TYPES = {
    "AWS::SQS::Queue": ResourceType(
        _create_queue,
        deletes("sqs", "delete_queue", "QueueUrl"),
        _update_queue,
        name_property="QueueName",
        attributes=frozenset({"Arn", "QueueName", "QueueUrl"}),
        replaced_by=frozenset({"QueueName", "FifoQueue"}),
    ),
    "AWS::SQS::QueuePolicy": ResourceType(
        _create_queue_policy,
        lambda account, _, properties: delete_if_there(
            lambda: _put_queue_policy(account, "", properties)
        ),
        _update_queue_policy,
        attributes=frozenset({"Id"}),
    ),
    "AWS::SNS::Topic": ResourceType(
        _create_topic,
        lambda account, arn, _: account.client("sns").delete_topic(TopicArn=arn),
        _update_topic,
        _configure_topic,
        name_property="TopicName",
        attributes=frozenset({"TopicName", "TopicArn"}),
        replaced_by=frozenset({"TopicName", "FifoTopic"}),
    ),
    "AWS::SNS::TopicPolicy": ResourceType(
        _create_topic_policy,
        _reset_topic_policy,
        _update_topic_policy,
        attributes=frozenset({"Id"}),
    ),
    "AWS::SNS::Subscription": ResourceType(
        _subscribe,
        deletes("sns", "unsubscribe", "SubscriptionArn"),
        _update_subscription,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"TopicArn", "Protocol", "Endpoint"}),
    ),
    "AWS::Events::Rule": ResourceType(
        _create_rule,
        _delete_rule,
        _update_rule,
        _put_targets,
        name_property="Name",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Name", "EventBusName"}),
    ),
    "AWS::Scheduler::ScheduleGroup": ResourceType(
        _create_group,
        deletes("scheduler", "delete_schedule_group", "Name"),
        _tag_group,
        name_property="Name",
        attributes=frozenset({"Arn", "State", "CreationDate", "LastModificationDate"}),
        replaced_by=frozenset({"Name"}),
    ),
    "AWS::Scheduler::Schedule": ResourceType(
        _create_schedule,
        _delete_schedule,
        _update_schedule,
        name_property="Name",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Name"}),
    ),
}
