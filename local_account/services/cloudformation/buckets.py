"""CloudFormation: buckets and image repositories."""

from collections.abc import Callable
from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    deletes,
    lower_names,
    request,
    retag,
    text,
    truth,
)

_RULE_NAMES = {
    "Id": "ID",
    "ExpirationInDays": "Expiration.Days",
    "ExpirationDate": "Expiration.Date",
    "ExpiredObjectDeleteMarker": "Expiration.ExpiredObjectDeleteMarker",
    "NoncurrentVersionExpirationInDays": "NoncurrentVersionExpiration.NoncurrentDays",
}


def _create_bucket(account: Account, name: str, properties: Properties) -> Created:
    acl = {"ACL": _acl(properties["AccessControl"])} if "AccessControl" in properties else {}
    account.client("s3").create_bucket(Bucket=name, **acl)
    domain = f"{name}.s3.{account.region}.amazonaws.com"
    return Created(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{account.region}.amazonaws.com",
            "RegionalDomainName": domain,
            "WebsiteURL": f"http://{name}.s3-website-{account.region}.amazonaws.com",
        },
    )


def _acl(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _configure_bucket(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    s3 = account.client("s3")
    for member, put, delete in _bucket_settings(s3):
        if member in properties:
            put(name, properties[member])
        elif member in former:
            delete(Bucket=name)
    versioning = properties.get("VersioningConfiguration")
    if versioning or "VersioningConfiguration" in former:
        status = (versioning or {"Status": "Suspended"})["Status"]
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    events = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration")
    enabled = events is not None and truth(events.get("EventBridgeEnabled", True))
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={"EventBridgeConfiguration": {}} if enabled else {},
    )


_Setting = tuple[str, Callable[[str, Any], object], Callable[..., object]]


def _bucket_settings(s3: Any) -> list[_Setting]:
    """Return how each setting of a bucket is put, and how it is taken away."""
    return [
        (
            "Tags",
            lambda name, tags: s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags}),
            s3.delete_bucket_tagging,
        ),
        (
            "BucketEncryption",
            lambda name, value: s3.put_bucket_encryption(
                Bucket=name, ServerSideEncryptionConfiguration=_encryption(value)
            ),
            s3.delete_bucket_encryption,
        ),
        (
            "LifecycleConfiguration",
            lambda name, value: s3.put_bucket_lifecycle_configuration(
                Bucket=name,
                LifecycleConfiguration={"Rules": [_lifecycle_rule(r) for r in value["Rules"]]},
            ),
            s3.delete_bucket_lifecycle,
        ),
        (
            "OwnershipControls",
            lambda name, value: s3.put_bucket_ownership_controls(
                Bucket=name, OwnershipControls=value
            ),
            s3.delete_bucket_ownership_controls,
        ),
        (
            "PublicAccessBlockConfiguration",
            lambda name, value: s3.put_public_access_block(
                Bucket=name,
                PublicAccessBlockConfiguration={key: truth(on) for key, on in value.items()},
            ),
            s3.delete_public_access_block,
        ),
    ]


def _encryption(properties: Properties) -> Properties:
    rules = []
    for rule in properties["ServerSideEncryptionConfiguration"]:
        wanted = {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        if "BucketKeyEnabled" in rule:
            wanted["BucketKeyEnabled"] = truth(rule["BucketKeyEnabled"])
        rules.append(wanted)
    return {"Rules": rules}


def _lifecycle_rule(properties: Properties) -> Properties:
    """Write a rule as the API has it, where some members are nested that are flat here."""
    rule: Properties = {}
    for name, value in properties.items():
        if name in ("Prefix", "TagFilters"):
            continue
        *owners, member = _RULE_NAMES.get(name, name).split(".")
        owner = rule
        for each in owners:
            owner = owner.setdefault(each, {})
        owner[member] = value
    rule["Transitions"] = [
        {"Days": int(each["TransitionInDays"]), "StorageClass": each["StorageClass"]}
        for each in properties.get("Transitions", [])
    ]
    tags = properties.get("TagFilters", [])
    prefix = properties.get("Prefix", "")
    rule["Filter"] = {"And": {"Prefix": prefix, "Tags": tags}} if tags else {"Prefix": prefix}
    numbered: Properties = _numbers({name: each for name, each in rule.items() if each != []})
    return numbered


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers(member) for name, member in value.items()}
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _put_bucket_policy(
    account: Account, bucket: str, properties: Properties, former: Properties
) -> None:
    policy = text(properties["PolicyDocument"])
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)


def _create_bucket_policy(account: Account, name: str, properties: Properties) -> Created:
    bucket = properties["Bucket"]
    _put_bucket_policy(account, bucket, properties, {})
    return Created(bucket)


_REPOSITORY_APART = ("EmptyOnDelete", "LifecyclePolicy", "RepositoryPolicyText")


def _create_repository(account: Account, name: str, properties: Properties) -> Created:
    given = {key: value for key, value in properties.items() if key not in _REPOSITORY_APART}
    parameters = {**lower_names(given), "tags": properties.get("Tags", [])}
    created = account.client("ecr").create_repository(
        **request(account, "ecr", "CreateRepository", parameters)
    )["repository"]
    uri = created["repositoryUri"]
    return Created(name, {"Arn": created["repositoryArn"], "RepositoryUri": uri})


def _update_repository(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    ecr, of_it = account.client("ecr"), {"repositoryName": name}
    scanning = lower_names(properties.get("ImageScanningConfiguration", {"ScanOnPush": False}))
    scan_on_push = {"scanOnPush": truth(scanning["scanOnPush"])}
    ecr.put_image_scanning_configuration(**of_it, imageScanningConfiguration=scan_on_push)
    mutability = properties.get("ImageTagMutability", "MUTABLE")
    ecr.put_image_tag_mutability(**of_it, imageTagMutability=mutability)
    arn = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryArn"]
    retag(ecr, properties, former, resourceArn=arn)


def _configure_repository(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    ecr = account.client("ecr")
    if policy := properties.get("RepositoryPolicyText"):
        ecr.set_repository_policy(repositoryName=name, policyText=text(policy))
    elif former.get("RepositoryPolicyText"):
        ecr.delete_repository_policy(repositoryName=name)
    if lifecycle := properties.get("LifecyclePolicy"):
        ecr.put_lifecycle_policy(
            repositoryName=name, lifecyclePolicyText=lifecycle["LifecyclePolicyText"]
        )
    elif former.get("LifecyclePolicy"):
        ecr.delete_lifecycle_policy(repositoryName=name)


def _delete_repository(account: Account, name: str, properties: Properties) -> None:
    ecr, force = account.client("ecr"), truth(properties.get("EmptyOnDelete"))
    ecr.delete_repository(repositoryName=name, force=force)


RESOURCE_TYPES = {
    "AWS::S3::Bucket": ResourceType(
        _create_bucket,
        deletes("s3", "delete_bucket", "Bucket"),
        configure=_configure_bucket,
        name_property="BucketName",
        attributes=frozenset(
            {"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"}
        ),
        replaced_by=frozenset({"BucketName"}),
    ),
    "AWS::S3::BucketPolicy": ResourceType(
        _create_bucket_policy,
        deletes("s3", "delete_bucket_policy", "Bucket"),
        _put_bucket_policy,
        replaced_by=frozenset({"Bucket"}),
    ),
    "AWS::ECR::Repository": ResourceType(
        _create_repository,
        lambda account, name, properties: delete_if_there(
            lambda: _delete_repository(account, name, properties)
        ),
        _update_repository,
        _configure_repository,
        name_property="RepositoryName",
        attributes=frozenset({"Arn", "RepositoryUri"}),
        replaced_by=frozenset({"RepositoryName", "EncryptionConfiguration"}),
    ),
}
