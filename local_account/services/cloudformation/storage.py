"""CloudFormation: keys, tables, log groups and parameters."""

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    deletes,
    refuse_changes,
    request,
    retag,
    text,
    truth,
)

_SEPARATE = ("PointInTimeRecoverySpecification", "TimeToLiveSpecification")


def _table_request(account: Account, operation: str, properties: Properties) -> dict[str, object]:
    encryption = dict(properties.get("SSESpecification", {}))
    if encryption:
        encryption["Enabled"] = encryption.pop("SSEEnabled")
        properties = {**properties, "SSESpecification": encryption}
    if stream := properties.get("StreamSpecification"):
        properties = {**properties, "StreamSpecification": {"StreamEnabled": True, **stream}}
    return request(account, "dynamodb", operation, properties, without=_SEPARATE)


def _create_table(account: Account, name: str, properties: Properties) -> Created:
    dynamodb = account.client("dynamodb")
    created = dynamodb.create_table(**_table_request(account, "CreateTable", properties))
    table = created["TableDescription"]
    return Created(name, {"Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn", "")})


def _configure_table(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    dynamodb = account.client("dynamodb")
    off = {"PointInTimeRecoveryEnabled": False}
    recovery = properties.get("PointInTimeRecoverySpecification", off)
    if recovery != former.get("PointInTimeRecoverySpecification", off):
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


_CHANGEABLE: Properties = {
    "BillingMode": "PROVISIONED",
    "DeletionProtectionEnabled": False,
    "SSESpecification": {"SSEEnabled": False},
}


def _update_table(account: Account, name: str, properties: Properties, former: Properties) -> None:
    dynamodb = account.client("dynamodb")
    fixed = set(properties) | set(former)
    fixed -= {*_CHANGEABLE, *_SEPARATE, "Tags", "TableName", "KeySchema", "AttributeDefinitions"}
    refuse_changes(properties, former, *sorted(fixed))
    changed = {
        key: properties.get(key, default)
        for key, default in _CHANGEABLE.items()
        if properties.get(key) != former.get(key)
    }
    if changed:
        changed["TableName"] = name
        dynamodb.update_table(**_table_request(account, "UpdateTable", changed))
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    retag(dynamodb, properties, former, ResourceArn=arn)


_KEY_APART = (
    *("EnableKeyRotation", "Enabled", "PendingWindowInDays", "RotationPeriodInDays"),
    *("KeyPolicy", "Tags"),
)


def _create_key(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(account, "kms", "CreateKey", properties, without=_KEY_APART)
    key = account.client("kms").create_key(**parameters)["KeyMetadata"]
    return Created(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})


def _update_key(account: Account, key_id: str, properties: Properties, former: Properties) -> None:
    refuse_changes(properties, former, "KeySpec", "KeyUsage", "MultiRegion", "Origin")
    account.client("kms").update_key_description(
        KeyId=key_id, Description=properties.get("Description", "")
    )


def _configure_key(
    account: Account, key_id: str, properties: Properties, former: Properties
) -> None:
    kms = account.client("kms")
    policy = properties.get("KeyPolicy") or _own_key_policy(account)
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=text(policy))
    if truth(properties.get("EnableKeyRotation")):
        days = properties.get("RotationPeriodInDays")
        period = {"RotationPeriodInDays": int(days)} if days else {}
        kms.enable_key_rotation(KeyId=key_id, **period)
    elif former:
        kms.disable_key_rotation(KeyId=key_id)
    if not truth(properties.get("Enabled", True)):
        kms.disable_key(KeyId=key_id)
    elif not truth(former.get("Enabled", True)):
        kms.enable_key(KeyId=key_id)
    retag(kms, properties, former, KeyId=key_id)


def _own_key_policy(account: Account) -> Properties:
    """Return the policy of a key that is created without one."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account.account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}


def _delete_key(account: Account, key_id: str, properties: Properties) -> None:
    account.client("kms").schedule_key_deletion(
        KeyId=key_id, PendingWindowInDays=int(properties.get("PendingWindowInDays", 30))
    )


def _create_alias(account: Account, name: str, properties: Properties) -> Created:
    account.client("kms").create_alias(**request(account, "kms", "CreateAlias", properties))
    return Created(name)


def _create_log_group(account: Account, name: str, properties: Properties) -> Created:
    key = {"kmsKeyId": properties["KmsKeyId"]} if "KmsKeyId" in properties else {}
    account.client("logs").create_log_group(logGroupName=name, **key)
    return Created(name, {"Arn": account.arn("logs", f"log-group:{name}:*")})


def _configure_log_group(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    logs, arn = account.client("logs"), account.arn("logs", f"log-group:{name}")
    if days := properties.get("RetentionInDays"):
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))
    elif former.get("RetentionInDays"):
        logs.delete_retention_policy(logGroupName=name)
    retag(logs, properties, former, resourceArn=arn)


def _update_log_group(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    refuse_changes(properties, former, "LogGroupClass")
    logs, key = account.client("logs"), properties.get("KmsKeyId")
    if key and key != former.get("KmsKeyId"):
        logs.associate_kms_key(logGroupName=name, kmsKeyId=key)
    elif former.get("KmsKeyId") and not key:
        logs.disassociate_kms_key(logGroupName=name)


def _create_parameter(account: Account, name: str, properties: Properties) -> Created:
    return _put_parameter(account, name, properties, overwrite=False)


def _put_parameter(
    account: Account, name: str, properties: Properties, *, overwrite: bool
) -> Created:
    given = {**properties, "Overwrite": overwrite}
    parameters = request(account, "ssm", "PutParameter", given, without=("Tags",))
    account.client("ssm").put_parameter(**parameters)
    return Created(name, {"Type": properties["Type"], "Value": properties["Value"]})


def _tag_parameter(account: Account, name: str, properties: Properties, former: Properties) -> None:
    resource = {"ResourceType": "Parameter", "ResourceId": name}
    operations = ("AddTagsToResource", "RemoveTagsFromResource")
    retag(account.client("ssm"), properties, former, *operations, **resource)


RESOURCE_TYPES = {
    "AWS::KMS::Key": ResourceType(
        _create_key,
        _delete_key,
        _update_key,
        _configure_key,
        attributes=frozenset({"Arn", "KeyId"}),
    ),
    "AWS::KMS::Alias": ResourceType(
        _create_alias,
        deletes("kms", "delete_alias", "AliasName"),
        lambda account, name, properties, _: account.client("kms").update_alias(**properties),
        name_property="AliasName",
        replaced_by=frozenset({"AliasName"}),
    ),
    "AWS::DynamoDB::Table": ResourceType(
        _create_table,
        deletes("dynamodb", "delete_table", "TableName"),
        _update_table,
        _configure_table,
        name_property="TableName",
        attributes=frozenset({"Arn", "StreamArn"}),
        replaced_by=frozenset({"TableName", "KeySchema"}),
    ),
    "AWS::Logs::LogGroup": ResourceType(
        _create_log_group,
        deletes("logs", "delete_log_group", "logGroupName"),
        _update_log_group,
        _configure_log_group,
        name_property="LogGroupName",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"LogGroupName"}),
    ),
    "AWS::SSM::Parameter": ResourceType(
        _create_parameter,
        deletes("ssm", "delete_parameter", "Name"),
        lambda account, name, properties, _: _put_parameter(
            account, name, properties, overwrite=True
        ),
        _tag_parameter,
        name_property="Name",
        attributes=frozenset({"Type", "Value"}),
        replaced_by=frozenset({"Name"}),
    ),
}
