"""CloudFormation: resource types and properties that moto lacks, as calls to the account's APIs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_account.service import Account

Properties = dict[str, Any]


def _truth(value: Any) -> bool:
    return str(value).lower() == "true"


def _json(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


@dataclass(frozen=True)
class ResourceType:
    """How a resource type is created, read and deleted.

    Attributes
    ----------
    create
        Called with the account, the properties (names resolved) and returns the
        physical id and the attributes that `Fn::GetAtt` can name. It must be
        repeatable, because an update calls it again.
    delete
        Called with the account and the physical id.
    name_property
        The property that holds the resource's name, if it has one.
    attributes
        The names that `Fn::GetAtt` can ask for.
    """

    create: Callable[[Account, Properties], tuple[str, Mapping[str, str]]]
    delete: Callable[[Account, str], object] = lambda account, physical_id: None
    name_property: str = ""
    attributes: frozenset[str] = field(default_factory=frozenset)


def _bucket_policy(account: Account, properties: Properties) -> tuple[str, Mapping[str, str]]:
    bucket = properties["Bucket"]
    account.client("s3").put_bucket_policy(
        Bucket=bucket, Policy=_json(properties["PolicyDocument"])
    )
    return bucket, {}


def _queue_policy(account: Account, properties: Properties) -> tuple[str, Mapping[str, str]]:
    for url in properties["Queues"]:
        account.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": _json(properties["PolicyDocument"])}
        )
    return "-".join(url.rsplit("/", 1)[-1] for url in properties["Queues"]), {}


def _model_package_group(account: Account, properties: Properties) -> tuple[str, Mapping[str, str]]:
    accepted = ("ModelPackageGroupName", "ModelPackageGroupDescription", "Tags")
    answer = account.client("sagemaker").create_model_package_group(
        **{name: properties[name] for name in accepted if name in properties}
    )
    arn = answer["ModelPackageGroupArn"]
    return arn, {"ModelPackageGroupArn": arn}


RESOURCE_TYPES: Mapping[str, ResourceType] = {
    "AWS::S3::BucketPolicy": ResourceType(_bucket_policy),
    "AWS::SQS::QueuePolicy": ResourceType(_queue_policy),
    "AWS::SageMaker::ModelPackageGroup": ResourceType(
        _model_package_group,
        lambda account, arn: account.client("sagemaker").delete_model_package_group(
            ModelPackageGroupName=arn.rsplit("/", 1)[-1]
        ),
        "ModelPackageGroupName",
        frozenset({"ModelPackageGroupArn"}),
    ),
}


def complete_bucket(account: Account, name: str, properties: Properties) -> None:
    """Apply the bucket properties that moto's resource drops."""
    s3 = account.client("s3")
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if block := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={key: _truth(value) for key, value in block.items()},
        )
    notifications = properties.get("NotificationConfiguration", {})
    if _truth(notifications.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled")):
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def update_key(account: Account, key_id: str, properties: Properties) -> None:
    """Update a KMS key in place: moto would lose it."""
    kms = account.client("kms")
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=_json(properties["KeyPolicy"]))
    if _truth(properties.get("EnableKeyRotation")):
        kms.enable_key_rotation(KeyId=key_id)


def update_log_group(account: Account, name: str, properties: Properties) -> None:
    """Update a log group in place: moto would lose it."""
    if days := properties.get("RetentionInDays"):
        account.client("logs").put_retention_policy(logGroupName=name, retentionInDays=int(days))


UPDATES: Mapping[str, Callable[[Account, str, Properties], None]] = {
    "AWS::KMS::Key": update_key,
    "AWS::Logs::LogGroup": update_log_group,
}


def empty_repository(account: Account, name: str, properties: Properties) -> None:
    """Delete the images of a repository that may be deleted with them."""
    ecr = account.client("ecr")
    if _truth(properties.get("EmptyOnDelete")):
        images = ecr.list_images(repositoryName=name)["imageIds"]
        if images:
            ecr.batch_delete_image(repositoryName=name, imageIds=images)


BEFORE_DELETE: Mapping[str, Callable[[Account, str, Properties], None]] = {
    "AWS::ECR::Repository": empty_repository,
}


def state_machine_definition(account: Account, properties: Properties) -> str:
    """Return the ASL of a state machine resource, wherever the template keeps it."""
    if location := properties.get("DefinitionS3Location"):
        answer = account.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"])
        definition = answer["Body"].read().decode()
    else:
        definition = _json(properties.get("Definition") or properties["DefinitionString"])
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace(f"${{{name}}}", str(value))
    return str(definition)
