"""What holds data: closed to the public, encrypted with a key, kept; names that lead somewhere."""

import re
from collections.abc import Iterator
from typing import Any

from checks.assembly import UNKNOWN_ENVIRONMENT, Assembly, Resource
from checks.findings import Finding
from checks.images import is_moving
from checks.secret_values import secrets_in

PUBLIC_ACCESS = (
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
)
PUBLIC_ACLS = {"PublicRead", "PublicReadWrite", "AuthenticatedRead"}
KEYS = {
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::SageMaker::EndpointConfig": ("KmsKeyId",),
    "AWS::SageMaker::NotebookInstance": ("KmsKeyId",),
    "AWS::CodeBuild::Project": ("EncryptionKey",),
}
RETAINED = {
    *("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::DynamoDB::Table", "AWS::ECR::Repository"),
    *("AWS::SageMaker::ModelPackageGroup", "AWS::EFS::FileSystem", "AWS::RDS::DBInstance"),
    *("AWS::RDS::DBCluster", "AWS::CodeCommit::Repository"),
}
PRODUCTION = re.compile(r"(^|[-_])prod(uction)?([-_]|$)", re.IGNORECASE)
ACCOUNT = re.compile(r"\barn:[^:\s]*:[^:\s]*:[^:\s]*:(\d{12}):|\b(\d{12})\.dkr\.ecr\.")
REGION = re.compile(r"\barn:[^:\s]*:[^:\s]+:([a-z]{2}(?:-[a-z]+)+-\d):")
OF_AN_ASSEMBLY = re.compile(r"^[\w-]+:ExportsOutput")


def find(assembly: Assembly) -> Iterator[Finding]:
    """Yield what is open, unencrypted, lost with its stack, or leads nowhere."""
    log_buckets = {
        str(bucket.get("LoggingConfiguration", "DestinationBucketName"))
        for bucket in assembly.of_type("AWS::S3::Bucket")
    }
    for resource in assembly.resources:
        if resource.type == "AWS::S3::Bucket":
            yield from _bucket(resource, is_for_logs=f"«{resource.logical_id}»" in log_buckets)
        if (path := KEYS.get(resource.type)) and not resource.get(*path):
            yield resource.finding("encryption-key", f"no {'.'.join(path)}", "a KMS key")
        if resource.type in RETAINED and PRODUCTION.search(resource.template.name):
            yield from _kept(resource)
        yield from _elsewhere(resource)
        yield from _containers(resource)
    yield from _named_twice(assembly)


def _bucket(bucket: Resource, *, is_for_logs: bool) -> Iterator[Finding]:
    blocked = bucket.get("PublicAccessBlockConfiguration") or {}
    open_ways = [name for name in PUBLIC_ACCESS if str(blocked.get(name)).lower() != "true"]
    if open_ways:
        yield bucket.finding("public-bucket", f"{', '.join(open_ways)} off", "all four on")
    if bucket.get("AccessControl") in PUBLIC_ACLS:
        yield bucket.finding("public-bucket", f"ACL {bucket.get('AccessControl')}", "Private")
    rules = bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration") or []
    keys = [(rule.get("ServerSideEncryptionByDefault") or {}) for rule in rules]
    if not any(key.get("KMSMasterKeyID") for key in keys) and not is_for_logs:
        yield bucket.finding("encryption-key", "no KMSMasterKeyID", "a KMS key")
    if bucket.get("VersioningConfiguration", "Status") != "Enabled" and not is_for_logs:
        yield bucket.finding("bucket-versioning", "no versioning", "Status Enabled")


def _kept(resource: Resource) -> Iterator[Finding]:
    policy = resource.body.get("DeletionPolicy", "Delete")
    if policy not in {"Retain", "RetainExceptOnCreate", "Snapshot"}:
        yield resource.finding("deletion-policy", f"{policy} in production", "Retain")


def _elsewhere(resource: Resource) -> Iterator[Finding]:
    """Look for texts that hold in one account or region only, and for imports of nothing."""
    for text in _texts(resource.body.get("Properties")):
        if resource.template.environment == UNKNOWN_ENVIRONMENT:
            if found := ACCOUNT.search(text):
                number = found[1] or found[2]
                yield resource.finding("hard-coded", f"account {number}", "AWS::AccountId")
            if found := REGION.search(text):
                yield resource.finding("hard-coded", f"region {found[1]}", "AWS::Region")
    for name in _imports(resource.body.get("Properties")):
        if OF_AN_ASSEMBLY.match(name) and resource.template.imported(name) is None:
            yield resource.finding("import", f"{name} is exported nowhere", "an export")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _imports(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(name := value.get("Fn::ImportValue"), str):
            yield name
        for part in value.values():
            yield from _imports(part)
    elif isinstance(value, list):
        for part in value:
            yield from _imports(part)


def _containers(resource: Resource) -> Iterator[Finding]:
    """Look at images and variables of builds, tasks, models and functions."""
    for place, image in _images(resource):
        if is_moving(image):
            yield resource.finding("image-by-tag", f"{place} {image}", "an image by its digest")
    for variables in _plain_variables(resource):
        for name in secrets_in(variables):
            yield resource.finding(
                "secret", f"{name} as plain text", "a secret's ARN, read at run time"
            )
    if resource.get("Environment", "PrivilegedMode") is True:
        yield resource.finding(
            "privileged-build", "PrivilegedMode", "no privileges, unless it builds images"
        )


def _images(resource: Resource) -> Iterator[tuple[str, Any]]:
    if resource.type == "AWS::SageMaker::Model":
        listed = resource.get("Containers") or []
        for container in [resource.get("PrimaryContainer") or {}, *listed]:
            yield "Image", container.get("Image")
    elif resource.type == "AWS::ECS::TaskDefinition":
        for container in resource.get("ContainerDefinitions") or []:
            yield "Image", container.get("Image")
    elif resource.type == "AWS::CodeBuild::Project":
        yield "Image", resource.get("Environment", "Image")
    elif resource.type == "AWS::Lambda::Function":
        yield "ImageUri", resource.get("Code", "ImageUri")


def _plain_variables(resource: Resource) -> Iterator[dict[str, Any]]:
    if resource.type == "AWS::CodeBuild::Project":
        listed = resource.get("Environment", "EnvironmentVariables") or []
        plain = [each for each in listed if each.get("Type", "PLAINTEXT") == "PLAINTEXT"]
        yield {each.get("Name", ""): each.get("Value") for each in plain}
    elif resource.type == "AWS::ECS::TaskDefinition":
        for container in resource.get("ContainerDefinitions") or []:
            listed = container.get("Environment") or []
            yield {each.get("Name", ""): each.get("Value") for each in listed}
    elif resource.type == "AWS::SageMaker::Model":
        yield resource.get("PrimaryContainer", "Environment") or {}


def _named_twice(assembly: Assembly) -> Iterator[Finding]:
    seen: dict[tuple[str, str], Resource] = {}
    for machine in assembly.of_type("AWS::StepFunctions::StateMachine"):
        name = str(machine.get("StateMachineName") or "")
        first = seen.setdefault((machine.template.environment, name), machine)
        if name and first is not machine:
            yield machine.finding("duplicate-name", f"{name} names {first.logical_id}", "a name")
