"""What each service's own API tells of a resource, by the names that properties have."""

import base64
import hashlib
import json
from typing import Any

from tests.contract.account import Aws
from tests.contract.test_functions import CODE, archive

Properties = dict[str, Any]


def _tags(tags: list[dict[str, str]], key: str = "Key", value: str = "Value") -> list[Any]:
    """Return the tags that CloudFormation did not add, as a template writes them."""
    ours = {tag[key]: tag[value] for tag in tags if not tag[key].startswith("aws:")}
    return [{"Key": name, "Value": ours[name]} for name in sorted(ours)]


def _mapped(tags: dict[str, str]) -> list[Any]:
    return _tags([{"Key": key, "Value": value} for key, value in tags.items()])


def queue(aws: Aws, url: str) -> Properties:
    sqs = aws.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    numbers = ("DelaySeconds", "MessageRetentionPeriod", "VisibilityTimeout")
    return {
        "QueueName": url.rpartition("/")[2],
        **{name: int(found[name]) for name in numbers},
        "RedrivePolicy": json.loads(found["RedrivePolicy"]),
        "Tags": _mapped(sqs.list_queue_tags(QueueUrl=url)["Tags"]),
    }


def queue_policy(aws: Aws, _: str) -> Properties:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=aws.name("queue"))["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    return {"Queues": [url], "PolicyDocument": json.loads(found["Policy"])}


def topic(aws: Aws, arn: str) -> Properties:
    sns = aws.client("sns")
    found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    tags = sns.list_tags_for_resource(ResourceArn=arn)["Tags"]
    name = arn.rpartition(":")[2]
    return {"TopicName": name, "DisplayName": found["DisplayName"], "Tags": _tags(tags)}


def topic_policy(aws: Aws, _: str) -> Properties:
    arn = aws.arn("sns", aws.name("topic"))
    found = aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return {"Topics": [arn], "PolicyDocument": json.loads(found["Policy"])}


def subscription(aws: Aws, arn: str) -> Properties:
    sns = aws.client("sns")
    found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    same = {name: found[name] for name in ("TopicArn", "Protocol", "Endpoint")}
    return {**same, "RawMessageDelivery": found["RawMessageDelivery"] == "true"}


def rule(aws: Aws, name: str) -> Properties:
    events = aws.client("events")
    found = events.describe_rule(Name=name)
    pattern = found.get("EventPattern")
    return {
        **{key: found.get(key) for key in ("Name", "Description", "State", "ScheduleExpression")},
        "EventPattern": json.loads(pattern) if pattern else None,
        "Targets": events.list_targets_by_rule(Rule=name)["Targets"],
        "Tags": _tags(events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]),
    }


def schedule(aws: Aws, name: str) -> Properties:
    group = aws.name("group")
    found = dict(aws.client("scheduler").get_schedule(Name=name, GroupName=group))
    return found | {each: f"{found[each]:%Y-%m-%dT%H:%M:%SZ}" for each in ("StartDate", "EndDate")}


def group(aws: Aws, name: str) -> Properties:
    scheduler = aws.client("scheduler")
    found = scheduler.get_schedule_group(Name=name)
    tags = scheduler.list_tags_for_resource(ResourceArn=found["Arn"])["Tags"]
    return {"Name": found["Name"], "Tags": _tags(tags)}


def table(aws: Aws, name: str) -> Properties:
    dynamodb = aws.client("dynamodb")
    found = dynamodb.describe_table(TableName=name)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    tags = dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
    return {
        **{key: found[key] for key in ("TableName", "KeySchema", "AttributeDefinitions")},
        "BillingMode": found["BillingModeSummary"]["BillingMode"],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery == "ENABLED"},
        "TimeToLiveSpecification": {
            "AttributeName": ttl["AttributeName"],
            "Enabled": ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING"),
        },
        "Tags": _tags(tags),
    }


def repository(aws: Aws, name: str) -> Properties:
    ecr = aws.client("ecr")
    (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    named = {"repositoryName": name}
    tags = ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
    scanning = found["imageScanningConfiguration"]["scanOnPush"]
    return {
        "RepositoryName": found["repositoryName"],
        "ImageTagMutability": found["imageTagMutability"],
        "ImageScanningConfiguration": {"ScanOnPush": scanning},
        "RepositoryPolicyText": json.loads(ecr.get_repository_policy(**named)["policyText"]),
        "Tags": _tags(tags),
    }


def git_repository(aws: Aws, _: str) -> Properties:
    codecommit = aws.client("codecommit")
    found = codecommit.get_repository(repositoryName=aws.name("it"))["repositoryMetadata"]
    tags = codecommit.list_tags_for_resource(resourceArn=found["Arn"])["tags"]
    return {
        "RepositoryName": found["repositoryName"],
        "RepositoryDescription": found["repositoryDescription"],
        "Tags": _mapped(tags),
    }


def connection(aws: Aws, arn: str) -> Properties:
    connections = aws.client("codeconnections")
    found = connections.get_connection(ConnectionArn=arn)["Connection"]
    tags = connections.list_tags_for_resource(ResourceArn=arn)["Tags"]
    same = {name: found[name] for name in ("ConnectionName", "ProviderType")}
    return {**same, "Tags": _tags(tags)}


def role(aws: Aws, name: str) -> Properties:
    iam = aws.client("iam")
    found = iam.get_role(RoleName=name)["Role"]
    (inline,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=inline)["PolicyDocument"]
    same = ("RoleName", "Path", "Description", "MaxSessionDuration", "AssumeRolePolicyDocument")
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        **{key: found[key] for key in same},
        "PermissionsBoundary": found["PermissionsBoundary"]["PermissionsBoundaryArn"],
        "ManagedPolicyArns": sorted(each["PolicyArn"] for each in attached),
        "Policies": [{"PolicyName": inline, "PolicyDocument": document}],
        "Tags": _tags(iam.list_role_tags(RoleName=name)["Tags"]),
    }


def inline_policy(aws: Aws, _: str) -> Properties:
    role, name = aws.name("role"), aws.name("inline")
    found = aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {
        "Roles": [found["RoleName"]],
        "PolicyName": found["PolicyName"],
        "PolicyDocument": found["PolicyDocument"],
    }


def managed_policy(aws: Aws, arn: str) -> Properties:
    iam = aws.client("iam")
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    version = {"PolicyArn": arn, "VersionId": found["DefaultVersionId"]}
    holders = iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]
    return {
        "ManagedPolicyName": found["PolicyName"],
        "Path": found["Path"],
        "Description": found["Description"],
        "PolicyDocument": iam.get_policy_version(**version)["PolicyVersion"]["Document"],
        "Roles": [each["RoleName"] for each in holders],
    }


def key(aws: Aws, key_id: str) -> Properties:
    kms = aws.client("kms")
    policy = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    return {
        "Description": kms.describe_key(KeyId=key_id)["KeyMetadata"]["Description"],
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"],
        "KeyPolicy": json.loads(policy),
        "Tags": _tags(kms.list_resource_tags(KeyId=key_id)["Tags"], "TagKey", "TagValue"),
    }


def _is_code(told: Properties) -> bool:
    return base64.b64decode(told["CodeSha256"]) == hashlib.sha256(archive(CODE)).digest()


def function(aws: Aws, name: str) -> Properties:
    found = aws.client("lambda").get_function(FunctionName=name)
    told = found["Configuration"]
    same = ("FunctionName", "Description", "Handler", "MemorySize", "Role", "Runtime", "Timeout")
    return {
        **{key: told[key] for key in same},
        "Code": {"S3Bucket": aws.bucket, "S3Key": "code.zip"} if _is_code(told) else None,
        "Environment": told["Environment"],
        "LoggingConfig": {"LogGroup": told["LoggingConfig"]["LogGroup"]},
        "Tags": _mapped(found["Tags"]),
    }


def permission(aws: Aws, _: str) -> Properties:
    policy = json.loads(
        aws.client("lambda").get_policy(FunctionName=aws.name("function"))["Policy"]
    )
    (found,) = policy["Statement"]
    return {
        "FunctionName": found["Resource"].rpartition(":")[2],
        "Action": found["Action"],
        "Principal": found["Principal"]["Service"],
        "SourceArn": found["Condition"]["ArnLike"]["AWS:SourceArn"],
    }


def invoke_config(aws: Aws, _: str) -> Properties:
    found = aws.client("lambda").get_function_event_invoke_config(FunctionName=aws.name("function"))
    return {
        "FunctionName": found["FunctionArn"].split(":")[6],
        "MaximumRetryAttempts": found["MaximumRetryAttempts"],
    }


def log_group(aws: Aws, name: str) -> Properties:
    (found,) = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {"LogGroupName": found["logGroupName"], "RetentionInDays": found["retentionInDays"]}


def bucket(aws: Aws, name: str) -> Properties:
    s3 = aws.client("s3")
    versioning = s3.get_bucket_versioning(Bucket=name)["Status"]
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    (rule,) = encryption["Rules"]
    algorithm = rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    default = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]
    return {
        "BucketName": name,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": default},
        "VersioningConfiguration": {"Status": versioning},
        "PublicAccessBlockConfiguration": block,
        "Tags": _tags(s3.get_bucket_tagging(Bucket=name)["TagSet"]),
    }


def bucket_policy(aws: Aws, _: str) -> Properties:
    policy = aws.client("s3").get_bucket_policy(Bucket=aws.bucket)["Policy"]
    return {"Bucket": aws.bucket, "PolicyDocument": json.loads(policy)}


def parameter(aws: Aws, name: str) -> Properties:
    found = aws.client("ssm").get_parameter(Name=name)["Parameter"]
    return {key: found[key] for key in ("Name", "Type", "Value")}


def package_group(aws: Aws, arn: str) -> Properties:
    sagemaker = aws.client("sagemaker")
    found = dict(sagemaker.describe_model_package_group(ModelPackageGroupName=arn))
    return found | {"Tags": _tags(sagemaker.list_tags(ResourceArn=arn)["Tags"])}


def state_machine(aws: Aws, arn: str) -> Properties:
    found = aws.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    return {
        "StateMachineName": found["name"],
        "RoleArn": found["roleArn"],
        "DefinitionString": found["definition"],
    }


def alarm(aws: Aws, name: str) -> Properties:
    cloudwatch = aws.client("cloudwatch")
    (found,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
    return {**found, "Tags": _tags(tags)}


def dashboard(aws: Aws, name: str) -> Properties:
    found = aws.client("cloudwatch").get_dashboard(DashboardName=name)
    return {"DashboardName": found["DashboardName"], "DashboardBody": found["DashboardBody"]}
