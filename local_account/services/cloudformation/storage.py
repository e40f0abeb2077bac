"""CloudFormation: what S3, DynamoDB, KMS, ECR and CloudWatch Logs keep."""

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    request,
    tags_of,
    text,
    truth,
)


def _bucket_policy(account: Account, name: str, properties: Properties) -> Created:
    bucket = properties["Bucket"]
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=text(properties["PolicyDocument"]))
    return Created(bucket)


def complete_bucket(account: Account, name: str, properties: Properties) -> None:
    """Apply the bucket properties that moto's resource drops."""
    s3 = account.client("s3")
    s3.delete_bucket_tagging(Bucket=name)
    if tags := properties["TagSet"]:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if block := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={key: truth(value) for key, value in block.items()},
        )
    notifications = properties.get("NotificationConfiguration", {})
    if truth(notifications.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled")):
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


_SEPARATE = ("PointInTimeRecoverySpecification", "TimeToLiveSpecification")


def _table_request(account: Account, operation: str, properties: Properties) -> dict[str, object]:
    encryption = dict(properties.get("SSESpecification", {}))
    if encryption:
        encryption["Enabled"] = encryption.pop("SSEEnabled")
        properties = {**properties, "SSESpecification": encryption}
    return request(account, "dynamodb", operation, properties, without=_SEPARATE)


def _create_table(account: Account, name: str, properties: Properties) -> Created:
    dynamodb = account.client("dynamodb")
    created = dynamodb.create_table(**_table_request(account, "CreateTable", properties))
    table = created["TableDescription"]
    _complete_table(account, name, properties)
    return Created(name, {"Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn", "")})


def _complete_table(account: Account, name: str, properties: Properties) -> None:
    dynamodb = account.client("dynamodb")
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        parameters = {"TableName": name, "PointInTimeRecoverySpecification": recovery}
        dynamodb.update_continuous_backups(
            **request(account, "dynamodb", "UpdateContinuousBackups", parameters)
        )
    wanted = properties.get("TimeToLiveSpecification", {"Enabled": False})
    now = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    enabled = truth(wanted["Enabled"])
    if enabled != (now["TimeToLiveStatus"] == "ENABLED"):
        attribute = wanted.get("AttributeName") or now["AttributeName"]
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute},
        )


def _update_table(account: Account, name: str, properties: Properties) -> None:
    dynamodb = account.client("dynamodb")
    changeable = ("BillingMode", "SSESpecification", "DeletionProtectionEnabled")
    changed = {key: properties[key] for key in changeable if key in properties}
    if changed:
        changed["TableName"] = name
        dynamodb.update_table(**_table_request(account, "UpdateTable", changed))
    _complete_table(account, name, properties)
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    tags = tags_of(properties)
    had = {tag["Key"] for tag in dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]}
    if gone := sorted(had - set(tags)):
        dynamodb.untag_resource(ResourceArn=arn, TagKeys=gone)
    if tags:
        dynamodb.tag_resource(ResourceArn=arn, Tags=properties["Tags"])


_KEY_APART = ("KeyPolicy", "EnableKeyRotation", "PendingWindowInDays", "RotationPeriodInDays")


def _create_key(account: Account, name: str, properties: Properties) -> Created:
    tags = [{"TagKey": key, "TagValue": value} for key, value in tags_of(properties).items()]
    parameters = request(account, "kms", "CreateKey", properties, without=(*_KEY_APART, "Tags"))
    key = account.client("kms").create_key(**parameters, Tags=tags)["KeyMetadata"]
    _update_key(account, key["KeyId"], properties)
    return Created(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})


def _update_key(account: Account, key_id: str, properties: Properties) -> None:
    kms = account.client("kms")
    if policy := properties.get("KeyPolicy"):
        kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=text(policy))
    if truth(properties.get("EnableKeyRotation")):
        kms.enable_key_rotation(KeyId=key_id)
    kms.update_key_description(KeyId=key_id, Description=properties.get("Description", ""))
    tags = [{"TagKey": key, "TagValue": value} for key, value in tags_of(properties).items()]
    if tags:
        kms.tag_resource(KeyId=key_id, Tags=tags)


def _delete_key(account: Account, key_id: str, properties: Properties) -> None:
    account.client("kms").schedule_key_deletion(
        KeyId=key_id, PendingWindowInDays=int(properties.get("PendingWindowInDays", 30))
    )


def update_log_group(account: Account, name: str, properties: Properties) -> None:
    """Update a log group in place: moto would lose it."""
    if days := properties.get("RetentionInDays"):
        account.client("logs").put_retention_policy(logGroupName=name, retentionInDays=int(days))


def empty_repository(account: Account, name: str, properties: Properties) -> None:
    """Delete the images of a repository that may be deleted with them."""
    ecr = account.client("ecr")
    if truth(properties.get("EmptyOnDelete")):
        images = ecr.list_images(repositoryName=name)["imageIds"]
        if images:
            ecr.batch_delete_image(repositoryName=name, imageIds=images)


RESOURCE_TYPES = {
    "AWS::KMS::Key": ResourceType(
        _create_key, _delete_key, _update_key, attributes=frozenset({"Arn", "KeyId"})
    ),
    "AWS::S3::BucketPolicy": ResourceType(
        _bucket_policy,
        lambda account, bucket, _: delete_if_there(
            lambda: account.client("s3").delete_bucket_policy(Bucket=bucket)
        ),
        replaced_by=frozenset({"Bucket"}),
    ),
    "AWS::DynamoDB::Table": ResourceType(
        _create_table,
        lambda account, name, _: delete_if_there(
            lambda: account.client("dynamodb").delete_table(TableName=name)
        ),
        _update_table,
        name_property="TableName",
        attributes=frozenset({"Arn", "StreamArn"}),
        replaced_by=frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"}),
    ),
}
