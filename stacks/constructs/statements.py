"""IAM statements that several roles need, each an exact action on an exact ARN."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3


def allow(
    actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    """One Allow statement."""
    return iam.PolicyStatement(actions=[*actions], resources=[*resources], conditions=conditions)


def read_objects(bucket: s3.IBucket, *patterns: str) -> iam.PolicyStatement:
    """Get the objects whose keys match."""
    return allow(["s3:GetObject"], [bucket.arn_for_objects(pattern) for pattern in patterns])


def write_objects(bucket: s3.IBucket, *patterns: str) -> iam.PolicyStatement:
    """Put objects under keys that match."""
    return allow(["s3:PutObject"], [bucket.arn_for_objects(pattern) for pattern in patterns])


def list_objects(bucket: s3.IBucket) -> iam.PolicyStatement:
    """List the bucket; without it S3 answers 403 instead of 404 for a missing object."""
    return allow(["s3:ListBucket"], [bucket.bucket_arn])


def decrypt(key: kms.IKey) -> iam.PolicyStatement:
    """Read objects that the key encrypts."""
    return allow(["kms:Decrypt"], [key.key_arn])


def encrypt(key: kms.IKey) -> iam.PolicyStatement:
    """Write objects that the key encrypts."""
    return allow(["kms:GenerateDataKey"], [key.key_arn])


def use(key: kms.IKey) -> iam.PolicyStatement:
    """Send to an encrypted queue or topic, or read and write an encrypted table."""
    return allow(["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn])


def create_grant(key: kms.IKey) -> iam.PolicyStatement:
    """Let SageMaker attach a volume that the key encrypts, and nothing else use the grant."""
    conditions = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return allow(["kms:CreateGrant"], [key.key_arn], conditions)


def push_images(repository: ecr.IRepository) -> list[iam.PolicyStatement]:
    """Push to one repository, and see what is there already."""
    layers = ("BatchCheckLayerAvailability", "InitiateLayerUpload", "UploadLayerPart")
    images = ("CompleteLayerUpload", "PutImage", "BatchGetImage")
    return [
        allow(["ecr:GetAuthorizationToken"], ["*"]),
        allow([f"ecr:{action}" for action in (*layers, *images)], [repository.repository_arn]),
    ]


def read_scans(repository: ecr.IRepository) -> list[iam.PolicyStatement]:
    """Read what a scan found; findings of enhanced scans are Inspector's, which knows no image."""
    return [
        allow(["ecr:DescribeImageScanFindings"], [repository.repository_arn]),
        allow(["inspector2:ListCoverage", "inspector2:ListFindings"], ["*"]),
    ]
