"""CloudFormation: queues, topics, rules and schedules."""

from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    request,
    text,
)

_NO_QUEUE_ATTRIBUTES = ("QueueName", "FifoQueue", "Tags")
_NO_TOPIC_ATTRIBUTES = ("TopicName", "FifoTopic", "Tags", "Subscription")
_NO_SUBSCRIPTION_ATTRIBUTES = ("TopicArn", "Protocol", "Endpoint", "Region")


def _attributes(properties: Properties, without: tuple[str, ...]) -> dict[str, str]:
    return {name: text(value) for name, value in properties.items() if name not in without}


def update_queue(account: Account, url: str, properties: Properties) -> None:
    """Update a queue in place: moto would ignore most of its properties."""
    if attributes := _attributes(properties, _NO_QUEUE_ATTRIBUTES):
        account.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)


def _put_queue_policy(account: Account, policy: str, properties: Properties) -> None:
    for url in properties["Queues"]:
        account.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _queue_policy(account: Account, name: str, properties: Properties) -> Created:
    _put_queue_policy(account, text(properties["PolicyDocument"]), properties)
    return Created("-".join(url.rsplit("/", 1)[-1] for url in properties["Queues"]))


def _create_topic(account: Account, name: str, properties: Properties) -> Created:
    sns = account.client("sns")
    fifo = {"FifoTopic": text(properties["FifoTopic"])} if "FifoTopic" in properties else {}
    arn = sns.create_topic(
        Name=name,
        Attributes={**_attributes(properties, _NO_TOPIC_ATTRIBUTES), **fifo},
        Tags=properties.get("Tags", []),
    )["TopicArn"]
    for each in properties.get("Subscription", []):
        sns.subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    return Created(arn, {"TopicName": name, "TopicArn": arn})


def _update_topic(account: Account, arn: str, properties: Properties) -> None:
    sns, defaults = account.client("sns"), {"DisplayName": "", "KmsMasterKeyId": ""}
    wanted = {**defaults, **_attributes(properties, _NO_TOPIC_ATTRIBUTES)}
    for name, value in wanted.items():
        sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
    sns.tag_resource(ResourceArn=arn, Tags=properties.get("Tags", []))


def _topic_policy(account: Account, name: str, properties: Properties) -> Created:
    for arn in properties["Topics"]:
        account.client("sns").set_topic_attributes(
            TopicArn=arn, AttributeName="Policy", AttributeValue=text(properties["PolicyDocument"])
        )
    return Created(name, {"Id": name})


def _subscribe(account: Account, name: str, properties: Properties) -> Created:
    arn = account.client("sns").subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        Attributes=_attributes(properties, _NO_SUBSCRIPTION_ATTRIBUTES),
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return Created(arn, {"Arn": arn})


def _update_subscription(account: Account, arn: str, properties: Properties) -> None:
    for name, value in _attributes(properties, _NO_SUBSCRIPTION_ATTRIBUTES).items():
        account.client("sns").set_subscription_attributes(
            SubscriptionArn=arn, AttributeName=name, AttributeValue=value
        )


def _put_rule(account: Account, name: str, properties: Properties) -> Created:
    events = account.client("events")
    rule = request(account, "events", "PutRule", properties, without=("Targets",))
    arn = events.put_rule(**{**rule, "Name": name})["RuleArn"]
    of_rule = {"Rule": name, "EventBusName": properties.get("EventBusName", "default")}
    targets = {target["Id"]: target for target in properties.get("Targets", [])}
    had = {target["Id"] for target in events.list_targets_by_rule(**of_rule)["Targets"]}
    if gone := sorted(had - set(targets)):
        events.remove_targets(**of_rule, Ids=gone)
    if targets:
        parameters = {**of_rule, "Targets": list(targets.values())}
        events.put_targets(**request(account, "events", "PutTargets", parameters))
    return Created(name, {"Arn": arn})


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


def _tag_group(account: Account, name: str, properties: Properties) -> None:
    client = account.client("scheduler")
    arn = client.get_schedule_group(Name=name)["Arn"]
    client.tag_resource(ResourceArn=arn, Tags=properties.get("Tags", []))


def _schedule(account: Account, operation: str, properties: Properties) -> dict[str, Any]:
    return request(account, "scheduler", operation, properties)


def _create_schedule(account: Account, name: str, properties: Properties) -> Created:
    parameters = _schedule(account, "CreateSchedule", {**properties, "Name": name})
    arn = account.client("scheduler").create_schedule(**parameters)["ScheduleArn"]
    return Created(name, {"Arn": arn})


def _update_schedule(account: Account, name: str, properties: Properties) -> None:
    parameters = _schedule(account, "UpdateSchedule", {**properties, "Name": name})
    account.client("scheduler").update_schedule(**parameters)


def _delete_schedule(account: Account, name: str, properties: Properties) -> None:
    group = properties.get("GroupName", "default")
    delete_if_there(lambda: account.client("scheduler").delete_schedule(Name=name, GroupName=group))


RESOURCE_TYPES = {
    "AWS::SQS::QueuePolicy": ResourceType(
        _queue_policy,
        lambda account, _, properties: delete_if_there(
            lambda: _put_queue_policy(account, "", properties)
        ),
    ),
    "AWS::SNS::Topic": ResourceType(
        _create_topic,
        lambda account, arn, _: account.client("sns").delete_topic(TopicArn=arn),
        _update_topic,
        name_property="TopicName",
        attributes=frozenset({"TopicName", "TopicArn"}),
        replaced_by=frozenset({"TopicName", "FifoTopic"}),
    ),
    "AWS::SNS::TopicPolicy": ResourceType(_topic_policy, attributes=frozenset({"Id"})),
    "AWS::SNS::Subscription": ResourceType(
        _subscribe,
        lambda account, arn, _: delete_if_there(
            lambda: account.client("sns").unsubscribe(SubscriptionArn=arn)
        ),
        _update_subscription,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"TopicArn", "Protocol", "Endpoint"}),
    ),
    "AWS::Events::Rule": ResourceType(
        _put_rule,
        _delete_rule,
        name_property="Name",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Name", "EventBusName"}),
    ),
    "AWS::Scheduler::ScheduleGroup": ResourceType(
        _create_group,
        lambda account, name, _: delete_if_there(
            lambda: account.client("scheduler").delete_schedule_group(Name=name)
        ),
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
        replaced_by=frozenset({"Name", "GroupName"}),
    ),
}
