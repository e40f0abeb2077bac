"""What is in the bucket: listings, and what S3 says of one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared import aws
from shared.datasets import StoredManifest, is_version, manifest_key, newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ObjectTypeDef


def listed(bucket: str, prefix: str) -> Iterator[ObjectTypeDef]:
    """Every current object below a prefix."""
    paginator = aws.s3().get_paginator("list_objects_v2")
    for page in paginator.paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def versions(bucket: str) -> Iterator[str]:
    """Every name at the bucket's root that may be a data set version's."""
    paginator = aws.s3().get_paginator("list_objects_v2")
    for page in paginator.paginate(Bucket=bucket, Delimiter="/"):
        names = (found["Prefix"].removesuffix("/") for found in page.get("CommonPrefixes", []))
        yield from filter(is_version, names)


def head(bucket: str, key: str) -> HeadObjectOutputTypeDef | None:
    """Return what S3 says of an object, or None where there is none."""
    try:
        return aws.s3().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if aws.error_code(error) in aws.MISSING:
            return None
        raise


def newest_version(bucket: str) -> str | None:
    """Return the data set version whose manifest was written last, or None where none has one."""
    return newest(_manifests(bucket))


def _manifests(bucket: str) -> Iterator[StoredManifest]:
    for version in versions(bucket):
        if found := head(bucket, manifest_key(version)):
            yield StoredManifest(version, found["LastModified"])
