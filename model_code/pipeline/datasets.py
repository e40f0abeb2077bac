"""The data set version that a new image is trained on."""

import re
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST_NAME = "_MANIFEST.json"
# where the pipeline keeps what runs write
RESERVED_VERSION = "runs"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def newest_dataset(s3: "S3Client", bucket: str) -> str | None:
    """Return the version whose manifest was written last; None while there is no data."""
    folders = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/")
    names = [
        prefix["Prefix"].rstrip("/")
        for page in folders
        for prefix in page.get("CommonPrefixes", [])
    ]
    versions = [name for name in names if _VERSION.fullmatch(name) and name != RESERVED_VERSION]
    written = {version: _written(s3, bucket, version) for version in versions}
    published = [(moment, version) for version, moment in written.items() if moment]
    return max(published)[1] if published else None


def _written(s3: "S3Client", bucket: str, version: str) -> datetime | None:
    key = f"{version}/{MANIFEST_NAME}"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    return listed[0]["LastModified"] if listed and listed[0]["Key"] == key else None
