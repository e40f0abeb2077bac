"""What DatasetSealer asks S3."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from dataset_sealer.logic import parsed_manifest
from dataset_sealer.models import StoredObject, WrittenManifest
from shared import aws
from shared.datasets import manifest_key
from shared.manifests import MANIFEST_BYTES

CHUNK_BYTES = 1024 * 1024
# Marks a manifest as ours in its metadata: its schema has no place for it.
MARK = {"sealed-by": "dataset-sealer"}


class SealGateway:
    """The data set versions of one bucket.

    Parameters
    ----------
    bucket
        Its name.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    def objects(self, version: str) -> Iterator[StoredObject]:
        """Every current object of a data set version."""
        prefix = f"{version}/"
        paginator = aws.s3().get_paginator("list_object_versions")
        for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix):
            for listed in page.get("Versions", []):
                if listed["IsLatest"]:
                    yield StoredObject(
                        key=listed["Key"].removeprefix(prefix),
                        size=listed["Size"],
                        version_id=listed["VersionId"],
                        last_modified=listed["LastModified"],
                        has_sha256="SHA256" in listed.get("ChecksumAlgorithm", ()),
                    )

    def manifest(self, version: str) -> WrittenManifest | None:
        """The manifest that a data set version has."""
        try:
            response = aws.s3().get_object(Bucket=self.bucket, Key=manifest_key(version))
        except ClientError as error:
            if aws.error_code(error) in aws.MISSING:
                return None
            raise
        readable = response["ContentLength"] <= MANIFEST_BYTES
        return WrittenManifest(
            content=parsed_manifest(response["Body"].read()) if readable else None,
            etag=response["ETag"],
            version_id=response.get("VersionId", "null"),
            last_modified=response["LastModified"],
            is_ours=response["Metadata"] == MARK,
        )

    def sha256(self, version: str, stored: StoredObject) -> str:
        """Hex sha256 of the bytes that were listed, whatever has replaced them since."""
        place = {
            "Bucket": self.bucket,
            "Key": f"{version}/{stored.key}",
            "VersionId": stored.version_id,
        }
        if stored.has_sha256 and (known := self._stored_sha256(place)):
            return known
        digest = hashlib.sha256()
        body = aws.s3().get_object(**place)["Body"]  # type: ignore[arg-type]
        for chunk in body.iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()

    def _stored_sha256(self, place: dict[str, str]) -> str | None:
        """Return what S3 computed of the whole object; that of parts is of no use."""
        head = aws.s3().head_object(**place, ChecksumMode="ENABLED")  # type: ignore[arg-type]
        if head.get("ChecksumType") != "FULL_OBJECT" or "ChecksumSHA256" not in head:
            return None
        return base64.b64decode(head["ChecksumSHA256"]).hex()

    def write_manifest(
        self, version: str, content: bytes, replaced: WrittenManifest | None
    ) -> bool:
        """Put a manifest in the place of one, or of none; False if another one was faster."""
        condition: dict[str, Any] = {"IfMatch": replaced.etag} if replaced else {"IfNoneMatch": "*"}
        try:
            aws.s3().put_object(
                Bucket=self.bucket,
                Key=manifest_key(version),
                Body=content,
                ContentType="application/json",
                Metadata=MARK,
                **condition,
            )
        except ClientError as error:
            if aws.error_code(error) in aws.LOST_RACE:
                return False
            raise
        return True
