"""Each resource type of the account's own: created, changed in place, replaced and deleted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.stacks import change, outputs
from tests.conftest import RunningAccount

A = "123456789012"
TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{A}:root"},
            "Action": "*",
            "Resource": "*",
        }
    ],
}
_SENDING = {"Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
QUEUE_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", **_SENDING, "Resource": "*"}],
}
IDENTITY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
ROLE = f"arn:aws:iam::{A}:role/scheduling"
QUEUE = f"arn:aws:sqs:us-east-1:{A}:any"
KEY = f"arn:aws:kms:us-east-1:{A}:key/1"


@dataclass(frozen=True)
class Case:
    """A resource before and after an update, and what a client sees of it each time."""

    kind: str
    before: dict[str, Any]
    after: dict[str, Any]
    look: Callable[[RunningAccount, str], Any]
    seen: tuple[Any, Any]
    attributes: tuple[str, ...] = ("Arn",)


def _schedule(expression: str) -> dict[str, Any]:
    return {
        "GroupName": "default",
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "DISABLED",
        "Target": {
            "Arn": QUEUE,
            "RoleArn": ROLE,
            "Input": "{}",
            "RetryPolicy": {"MaximumRetryAttempts": "3"},
            "DeadLetterConfig": {"Arn": QUEUE},
        },
    }


def _table(days: bool, tag: str) -> dict[str, Any]:
    return {
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": days},
        "Tags": [{"Key": tag, "Value": "v"}],
    }


def _look_at_table(account: RunningAccount, name: str) -> Any:
    dynamodb = account.client("dynamodb")
    table = dynamodb.describe_table(TableName=name)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    encryption = table["SSEDescription"]["KMSMasterKeyArn"]
    return encryption, recovery, ttl["TimeToLiveStatus"], [tag["Key"] for tag in tags]


def _alarm(threshold: Any) -> dict[str, Any]:
    return {
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": threshold,
        "Namespace": "N",
        "MetricName": "M",
        "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
        "Period": 300,
        "Statistic": "Sum",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [f"arn:aws:sns:us-east-1:{A}:topic"],
    }


def _look_at_alarm(account: RunningAccount, name: str) -> Any:
    alarms = account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return alarms[0]["Threshold"]


def _budget(amount: int) -> dict[str, Any]:
    return {
        "Budget": {
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": amount, "Unit": "USD"},
            "CostFilters": {"TagKeyValue": ["user:project$x"]},
        },
        "NotificationsWithSubscribers": [
            {
                "Notification": {
                    "NotificationType": "FORECASTED",
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": 100,
                },
                "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}],
            }
        ],
    }


def _look_at_budget(account: RunningAccount, name: str) -> Any:
    budget = account.client("budgets").describe_budget(AccountId=A, BudgetName=name)["Budget"]
    return budget["BudgetLimit"]["Amount"]


def _rule(name: str, schedule: str) -> dict[str, Any]:
    target = {"Id": name, "Arn": QUEUE, "RetryPolicy": {"MaximumRetryAttempts": "3"}}
    return {"ScheduleExpression": schedule, "State": "ENABLED", "Targets": [target]}


def _look_at_rule(account: RunningAccount, name: str) -> Any:
    events = account.client("events")
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    expression = events.describe_rule(Name=name)["ScheduleExpression"]
    return expression, [target["Id"] for target in targets]


def _role(description: str, boundary: bool, action: str) -> dict[str, Any]:
    statement = {**TRUST["Statement"][0], "Action": action}
    return {
        "RoleName": "typed-role",
        "Path": "/project/",
        "Description": description,
        "AssumeRolePolicyDocument": {**TRUST, "Statement": [statement]},
        "Policies": [{"PolicyName": "inline", "PolicyDocument": IDENTITY_POLICY}],
        "Tags": [{"Key": description, "Value": "v"}],
        **({"PermissionsBoundary": f"arn:aws:iam::{A}:policy/boundary"} if boundary else {}),
    }


def _look_at_role(account: RunningAccount, name: str) -> Any:
    iam = account.client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    return (
        role["Path"],
        role["AssumeRolePolicyDocument"]["Statement"][0]["Action"],
        "PermissionsBoundary" in role,
        iam.list_role_policies(RoleName=name)["PolicyNames"],
        [tag["Key"] for tag in role["Tags"]],
    )


def _look_at_policy(account: RunningAccount, arn: str) -> Any:
    iam = account.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document["Statement"][0]["Action"]


def _managed(action: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


def _attribute(name: str) -> Callable[[RunningAccount, str], Any]:
    return lambda account, arn: (
        account.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"].get(name)
    )


def _schedule_seen(account: RunningAccount, name: str) -> Any:
    schedule = account.client("scheduler").get_schedule(Name=name)
    retries = schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"]
    return schedule["ScheduleExpression"], schedule["State"], retries


def _key(tag: str) -> dict[str, Any]:
    tags = [{"Key": "owner", "Value": tag}]
    return {"KeyPolicy": POLICY, "EnableKeyRotation": True, "Description": tag, "Tags": tags}


def _look_at_key(account: RunningAccount, key_id: str) -> Any:
    kms = account.client("kms")
    tags = [tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key_id)["Tags"]]
    found = [kms.describe_key(KeyId=key_id)["KeyMetadata"]]
    enabled = [key["Description"] for key in found if key["KeyState"] == "Enabled"]
    return enabled[0], kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"], tags


CASES = [
    Case(
        "AWS::KMS::Key",
        _key("one"),
        _key("two"),
        _look_at_key,
        (("one", True, ["one"]), ("two", True, ["two"])),
        ("Arn", "KeyId"),
    ),
    Case(
        "AWS::Scheduler::Schedule",
        _schedule("rate(1 hour)"),
        _schedule("cron(0 6 ? * MON-FRI *)"),
        _schedule_seen,
        (("rate(1 hour)", "DISABLED", 3), ("cron(0 6 ? * MON-FRI *)", "DISABLED", 3)),
    ),
    Case(
        "AWS::Scheduler::ScheduleGroup",
        {"Name": "typed-group"},
        {"Name": "typed-group", "Tags": [{"Key": "k", "Value": "v"}]},
        lambda account, name: account.client("scheduler").get_schedule_group(Name=name)["State"],
        ("ACTIVE", "ACTIVE"),
        ("Arn", "State"),
    ),
    Case(
        "AWS::DynamoDB::Table",
        _table(True, "old"),
        _table(False, "new"),
        _look_at_table,
        ((KEY, "ENABLED", "ENABLED", ["old"]), (KEY, "ENABLED", "DISABLED", ["new"])),
    ),
    Case("AWS::CloudWatch::Alarm", _alarm(1), _alarm("2"), _look_at_alarm, (1.0, 2.0)),
    Case(
        "AWS::CloudWatch::Dashboard",
        {"DashboardBody": json.dumps({"widgets": []})},
        {"DashboardBody": json.dumps({"widgets": [], "start": "-PT1H"})},
        lambda account, name: len(
            json.loads(
                account.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
            )
        ),
        (1, 2),
        (),
    ),
    Case("AWS::Budgets::Budget", _budget(10), _budget(20), _look_at_budget, ("10", "20"), ()),
    Case(
        "AWS::Events::Rule",
        _rule("one", "rate(1 day)"),
        _rule("two", "cron(0 6 * * ? *)"),
        _look_at_rule,
        (("rate(1 day)", ["one"]), ("cron(0 6 * * ? *)", ["two"])),
    ),
    Case(
        "AWS::SNS::Topic",
        {"KmsMasterKeyId": KEY},
        {"DisplayName": "Runs"},
        lambda account, arn: (
            _attribute("KmsMasterKeyId")(account, arn),
            _attribute("DisplayName")(account, arn),
        ),
        ((KEY, ""), (None, "Runs")),
        ("TopicName", "TopicArn"),
    ),
    Case(
        "AWS::IAM::Role",
        _role("old", True, "sts:AssumeRole"),
        _role("new", False, "sts:TagSession"),
        _look_at_role,
        (
            ("/project/", "sts:AssumeRole", True, ["inline"], ["old"]),
            ("/project/", "sts:TagSession", False, ["inline"], ["new"]),
        ),
        ("Arn", "RoleId"),
    ),
    Case(
        "AWS::IAM::ManagedPolicy",
        _managed("s3:GetObject"),
        _managed("s3:PutObject"),
        _look_at_policy,
        ("s3:GetObject", "s3:PutObject"),
        ("PolicyArn",),
    ),
]


def _execute(account: RunningAccount, stack: str, resources: Any, kind: str, *get: str) -> Any:
    told: dict[str, Any] = {name: {"Value": {"Fn::GetAtt": ["It", name]}} for name in get}
    template = {"Resources": resources, "Outputs": {**told, "Ref": {"Value": {"Ref": "It"}}}}
    found = change(account, stack, template, kind)
    assert found["StackStatus"] == f"{kind}_COMPLETE", found.get("StackStatusReason")
    return outputs(found)


@pytest.fixture(scope="module", autouse=True)
def _scheduling_role(account: RunningAccount) -> None:
    service = {"Service": "scheduler.amazonaws.com"}
    statement = {**TRUST["Statement"][0], "Principal": service}
    trust = json.dumps({**TRUST, "Statement": [statement]})
    account.client("iam").create_role(RoleName="scheduling", AssumeRolePolicyDocument=trust)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_resource_is_created_changed_in_place_and_deleted(
    account: RunningAccount, case: Case
) -> None:
    stack = case.kind.replace("::", "-")
    resource = {"Type": case.kind, "Properties": case.before}
    created = _execute(account, stack, {"It": resource}, "CREATE", *case.attributes)
    assert case.look(account, created["Ref"]) == case.seen[0]
    assert all(created.values())
    resource = {"Type": case.kind, "Properties": case.after}
    updated = _execute(account, stack, {"It": resource}, "UPDATE", *case.attributes)
    assert updated == created
    assert case.look(account, updated["Ref"]) == case.seen[1]
    account.client("cloudformation").delete_stack(StackName=stack)
    with pytest.raises((ClientError, IndexError)):
        case.look(account, created["Ref"])


def test_a_changed_name_replaces_the_resource(account: RunningAccount) -> None:
    for kind, name in (("CREATE", "first-name"), ("UPDATE", "second-name")):
        resource = {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": name}}
        assert _execute(account, "renamed", {"It": resource}, kind)["Ref"] == name
    with pytest.raises(ClientError, match="first-name does not exist"):
        account.client("scheduler").get_schedule_group(Name="first-name")


def test_subscriptions_and_policies_of_a_topic_and_a_queue(account: RunningAccount) -> None:
    def resources(raw: str) -> dict[str, Any]:
        subscription = {
            "TopicArn": {"Ref": "It"},
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
            "RawMessageDelivery": raw,
        }
        mail = {"TopicArn": {"Ref": "It"}, "Protocol": "email", "Endpoint": "a@example.com"}
        queue = {"MessageRetentionPeriod": 60} if raw == "true" else {"DelaySeconds": 1}
        return {
            "It": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "subscribed"}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "typed", **queue}},
            "Mail": {"Type": "AWS::SNS::Subscription", "Properties": mail},
            "Sub": {"Type": "AWS::SNS::Subscription", "Properties": subscription},
            "TopicPolicy": {
                "Type": "AWS::SNS::TopicPolicy",
                "Properties": {"Topics": [{"Ref": "It"}], "PolicyDocument": POLICY},
            },
            "QueuePolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": QUEUE_POLICY},
            },
        }

    arn = _execute(account, "subscribed", resources("true"), "CREATE")["Ref"]
    _execute(account, "subscribed", resources("false"), "UPDATE")
    sns, sqs = account.client("sns"), account.client("sqs")
    subscriptions = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert sorted(each["Protocol"] for each in subscriptions) == ["email", "sqs"]
    policy = sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    assert json.loads(policy)["Statement"] == POLICY["Statement"]
    url = sqs.get_queue_url(QueueName="typed")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (queue["MessageRetentionPeriod"], queue["DelaySeconds"]) == ("345600", "1")
    assert json.loads(queue["Policy"]) == QUEUE_POLICY
    sns.publish(TopicArn=arn, Message="x")
    body = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=3)["Messages"][0]["Body"]
    assert json.loads(body)["Message"] == "x"
    account.client("cloudformation").delete_stack(StackName="subscribed")
    assert all(topic["TopicArn"] != arn for topic in sns.list_topics()["Topics"])


def test_a_property_that_is_not_modelled_is_refused_by_name(account: RunningAccount) -> None:
    properties = {**_alarm(1), "Colour": "red"}
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    with pytest.raises(ClientError, match="does not model the property Colour"):
        change(account, "coloured", {"Resources": {"It": resource}}, "CREATE")
