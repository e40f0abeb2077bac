"""What templates may set: the cases of `test_resource_types.py`."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contract import told
from tests.contract.account import Aws, statement
from tests.contract.told import Properties

Look = Callable[[Aws, str], Properties]

_TAGS = [{"Key": "team", "Value": "one"}]


def _trust(service: str) -> Properties:
    trust: Properties = json.loads(
        statement(Principal={"Service": service}, Action="sts:AssumeRole")
    )
    return trust


def _role_of(service: str, **more: Any) -> Properties:
    properties = {"AssumeRolePolicyDocument": _trust(service), **more}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


_TRUST = _trust("lambda.amazonaws.com")
_POLICY = json.loads(statement(Action="s3:GetObject", Resource="*"))
_ROLE = _role_of("lambda.amazonaws.com")
_MANAGED = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": _POLICY}}
_QUEUE = {"Type": "AWS::SQS::Queue"}
_TOPIC = {"Type": "AWS::SNS::Topic"}
_ROLE_ARN, _QUEUE_ARN = {"Fn::GetAtt": ["Role", "Arn"]}, {"Fn::GetAtt": ["Queue", "Arn"]}
_CODE = {"S3Bucket": "{bucket}", "S3Key": "code.zip"}
_FUNCTION: Properties = {
    "Runtime": "python3.13",
    "Handler": "main.handler",
    "Role": _ROLE_ARN,
    "Code": _CODE,
}
_NAMED = {**_FUNCTION, "FunctionName": "{prefix}-function"}
_NAMED_FUNCTION = {
    "Role": _ROLE,
    "Function": {"Type": "AWS::Lambda::Function", "Properties": _NAMED},
}
_SENDING = {
    "PolicyName": "dead-letters",
    "PolicyDocument": json.loads(statement(Action="sqs:SendMessage", Resource="*")),
}


@dataclass(frozen=True)
class Case:
    """A resource, what it needs, and what its service tells of it by property.

    In `properties`, `{prefix}` and `{bucket}` stand for the test's own names; a property whose
    value is told in another way (or not at all) is not what the case is about: `aside` names it.
    The members of `nested` properties are proven one by one.
    """

    type_name: str
    properties: Properties
    look: Look
    needs: dict[str, Any] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    costs: tuple[str, float] | None = None

    @property
    def proven(self) -> list[str]:
        """The names of what the case proves."""
        proven = [f"{name}.{each}" for name in self.nested for each in self.properties[name]]
        apart = (*self.aside, *self.nested)
        proven += [name for name in self.properties if name not in apart]
        return [f"{self.type_name}.{name}" for name in proven]


_ANYBODY = {"Principal": {"Service": "events.amazonaws.com"}}

CASES = [
    Case(
        "AWS::SQS::Queue",
        {
            "QueueName": "{prefix}-it",
            "DelaySeconds": 1,
            "MessageRetentionPeriod": 120,
            "VisibilityTimeout": 7,
            "RedrivePolicy": {"deadLetterTargetArn": _QUEUE_ARN, "maxReceiveCount": 3},
            "Tags": _TAGS,
        },
        told.queue,
        {"Queue": _QUEUE},
    ),
    Case(
        "AWS::SQS::QueuePolicy",
        {
            "Queues": [{"Ref": "Queue"}],
            "PolicyDocument": json.loads(
                statement(
                    **_ANYBODY,
                    Action="sqs:SendMessage",
                    Resource="arn:aws:sqs:{region}:{account}:{prefix}-queue",
                )
            ),
        },
        told.queue_policy,
        {"Queue": {**_QUEUE, "Properties": {"QueueName": "{prefix}-queue"}}},
    ),
    Case(
        "AWS::SNS::Topic",
        {"TopicName": "{prefix}-it", "DisplayName": "shown", "Tags": _TAGS},
        told.topic,
    ),
    Case(
        "AWS::SNS::TopicPolicy",
        {
            "Topics": [{"Ref": "Topic"}],
            "PolicyDocument": json.loads(
                statement(
                    **_ANYBODY,
                    Action="sns:Publish",
                    Resource="arn:aws:sns:{region}:{account}:{prefix}-topic",
                )
            ),
        },
        told.topic_policy,
        {"Topic": {**_TOPIC, "Properties": {"TopicName": "{prefix}-topic"}}},
    ),
    Case(
        "AWS::SNS::Subscription",
        {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "sqs",
            "Endpoint": _QUEUE_ARN,
            "RawMessageDelivery": True,
        },
        told.subscription,
        {"Topic": _TOPIC, "Queue": _QUEUE},
    ),
    Case(
        "AWS::Events::Rule",
        {
            "Name": "{prefix}-it",
            "Description": "why",
            "State": "DISABLED",
            "EventPattern": {"source": ["{prefix}"], "detail": {"n": [{"numeric": [">", 1]}]}},
            "Targets": [{"Id": "1", "Arn": _QUEUE_ARN, "DeadLetterConfig": {"Arn": _QUEUE_ARN}}],
            "Tags": _TAGS,
        },
        told.rule,
        {"Queue": _QUEUE},
    ),
    Case(
        "AWS::Events::Rule",
        {"Name": "{prefix}-it", "ScheduleExpression": "rate(1 day)", "State": "ENABLED"},
        told.rule,
    ),
    Case("AWS::Scheduler::ScheduleGroup", {"Name": "{prefix}-it", "Tags": _TAGS}, told.group),
    Case(
        "AWS::Scheduler::Schedule",
        {
            "Name": "{prefix}-it",
            "GroupName": {"Ref": "Group"},
            "Description": "why",
            "State": "DISABLED",
            "ScheduleExpression": "cron(0 6 ? * MON-FRI *)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "StartDate": "2090-01-01T00:00:00Z",
            "EndDate": "2091-01-01T00:00:00Z",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": _QUEUE_ARN,
                "RoleArn": _ROLE_ARN,
                "Input": '{{"a": 1}}',
                "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 600},
                "DeadLetterConfig": {"Arn": _QUEUE_ARN},
            },
        },
        told.schedule,
        nested=("Target",),
        needs={
            "Queue": _QUEUE,
            "Group": {
                "Type": "AWS::Scheduler::ScheduleGroup",
                "Properties": {"Name": "{prefix}-group"},
            },
            "Role": _role_of("scheduler.amazonaws.com"),
        },
    ),
    Case(
        "AWS::DynamoDB::Table",
        {
            "TableName": "{prefix}-it",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            "Tags": _TAGS,
        },
        told.table,
    ),
    Case(
        "AWS::ECR::Repository",
        {
            "RepositoryName": "contract/{prefix}",
            "ImageTagMutability": "IMMUTABLE",
            "ImageScanningConfiguration": {"ScanOnPush": True},
            "RepositoryPolicyText": json.loads(
                statement(Principal={"AWS": "{account}"}, Action="ecr:BatchGetImage")
            ),
            "Tags": _TAGS,
        },
        told.repository,
    ),
    Case(
        "AWS::CodeCommit::Repository",
        {"RepositoryName": "{prefix}-it", "RepositoryDescription": "why", "Tags": _TAGS},
        told.git_repository,
    ),
    Case(
        "AWS::CodeConnections::Connection",
        {"ConnectionName": "{prefix}-it", "ProviderType": "GitHub", "Tags": _TAGS},
        told.connection,
    ),
    Case(
        "AWS::IAM::Role",
        {
            "RoleName": "{prefix}-it",
            "Path": "/contract/",
            "Description": "why",
            "MaxSessionDuration": 7200,
            "AssumeRolePolicyDocument": _TRUST,
            "PermissionsBoundary": {"Ref": "Managed"},
            "ManagedPolicyArns": [
                {"Ref": "Managed"},
                "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
            ],
            "Policies": [{"PolicyName": "inline", "PolicyDocument": _POLICY}],
            "Tags": _TAGS,
        },
        told.role,
        {"Managed": _MANAGED},
    ),
    Case(
        "AWS::IAM::Policy",
        {"PolicyName": "{prefix}-inline", "PolicyDocument": _POLICY, "Roles": [{"Ref": "Role"}]},
        told.inline_policy,
        {"Role": _role_of("lambda.amazonaws.com", RoleName="{prefix}-role")},
    ),
    Case(
        "AWS::IAM::ManagedPolicy",
        {
            "ManagedPolicyName": "{prefix}-it",
            "Path": "/contract/",
            "Description": "why",
            "PolicyDocument": _POLICY,
            "Roles": [{"Ref": "Role"}],
        },
        told.managed_policy,
        {"Role": _ROLE},
    ),
    Case(
        "AWS::KMS::Key",
        {
            "Description": "why",
            "EnableKeyRotation": True,
            "KeyPolicy": json.loads(
                statement(
                    Principal={"AWS": "arn:aws:iam::{account}:root"}, Action="kms:*", Resource="*"
                )
            ),
            "Tags": _TAGS,
        },
        told.key,
        costs=("kms-key", 0.01),
    ),
    Case(
        "AWS::Lambda::Function",
        {
            **_FUNCTION,
            "FunctionName": "{prefix}-it",
            "Description": "why",
            "DeadLetterConfig": {"TargetArn": _QUEUE_ARN},
            "Environment": {"Variables": {"MARK": "one"}},
            "LoggingConfig": {"LogGroup": {"Ref": "Log"}},
            "MemorySize": 256,
            "Timeout": 7,
            "Tags": _TAGS,
        },
        told.function,
        aside=("DeadLetterConfig",),
        needs={
            "Queue": _QUEUE,
            "Log": {"Type": "AWS::Logs::LogGroup"},
            "Role": _role_of("lambda.amazonaws.com", Policies=[_SENDING]),
        },
    ),
    Case(
        "AWS::Lambda::Permission",
        {
            "FunctionName": {"Ref": "Function"},
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": "arn:aws:events:{region}:{account}:rule/{prefix}",
        },
        told.permission,
        _NAMED_FUNCTION,
    ),
    Case(
        "AWS::Lambda::EventInvokeConfig",
        {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 1},
        told.invoke_config,
        aside=("Qualifier",),
        needs=_NAMED_FUNCTION,
    ),
    Case(
        "AWS::Logs::LogGroup",
        {"LogGroupName": "/{prefix}/it", "RetentionInDays": 7},
        told.log_group,
    ),
    Case(
        "AWS::S3::Bucket",
        {
            "BucketName": "{prefix}-it",
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
                ]
            },
            "Tags": _TAGS,
        },
        told.bucket,
        nested=("VersioningConfiguration",),
    ),
    Case(
        "AWS::S3::BucketPolicy",
        {
            "Bucket": "{bucket}",
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": "arn:aws:s3:::{bucket}/closed/*",
                    }
                ],
            },
        },
        told.bucket_policy,
    ),
    Case(
        "AWS::SSM::Parameter",
        {"Name": "/{prefix}/it", "Type": "String", "Value": "1"},
        told.parameter,
    ),
    Case(
        "AWS::SageMaker::ModelPackageGroup",
        {
            "ModelPackageGroupName": "{prefix}-it",
            "ModelPackageGroupDescription": "why",
            "Tags": _TAGS,
        },
        told.package_group,
    ),
    Case(
        "AWS::StepFunctions::StateMachine",
        {
            "StateMachineName": "{prefix}-it",
            "RoleArn": _ROLE_ARN,
            "DefinitionString": '{{"StartAt": "A", "States": {{"A": {{"Type": "Succeed"}}}}}}',
        },
        told.state_machine,
        {"Role": _role_of("states.amazonaws.com")},
    ),
    Case(
        "AWS::CloudWatch::Alarm",
        {
            "AlarmName": "{prefix}-it",
            "AlarmDescription": "why",
            "ActionsEnabled": False,
            "AlarmActions": [{"Ref": "Topic"}],
            "Namespace": "Contract",
            "MetricName": "M",
            "Dimensions": [{"Name": "D", "Value": "d"}],
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 2,
            "Period": 300,
            "Statistic": "Sum",
            "Threshold": 1.5,
            "TreatMissingData": "notBreaching",
            "Tags": _TAGS,
        },
        told.alarm,
        {"Topic": _TOPIC},
    ),
    Case(
        "AWS::CloudWatch::Dashboard",
        {"DashboardName": "{prefix}-it", "DashboardBody": '{{"widgets": []}}'},
        told.dashboard,
    ),
]
