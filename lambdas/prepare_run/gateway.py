"""What PrepareRun asks S3, ECR, SSM and Step Functions."""

import json
from typing import Any

from botocore.exceptions import ClientError

from prepare_run.models import Claim
from shared import aws, executions, images, objects, version_records
from shared.errors import DatasetInvalid
from shared.manifests import MANIFEST_BYTES
from shared.version_records import RECORD_BYTES, VersionRecord


class RunGateway:
    """One bucket, one repository, and the executions that claimed run keys.

    Parameters
    ----------
    bucket
        Name of the bucket with data sets and runs.
    repository
        Name of the image repository.
    """

    def __init__(self, bucket: str, repository: str) -> None:
        self._bucket = bucket
        self._repository = repository

    def manifest(self, key: str, version_id: str | None) -> bytes:
        """The manifest that a run was asked for, or else the current one."""
        uri = f"s3://{self._bucket}/{key}"
        try:
            content = aws.read_object(
                self._bucket, key, at_most_bytes=MANIFEST_BYTES, version_id=version_id
            )
        except aws.ObjectTooLarge as error:
            raise DatasetInvalid(f"{error}. Put fewer files into a version.") from error
        if content is None:
            gone = " any more" if version_id else ""
            raise DatasetInvalid(
                f"{uri}: not in the bucket{gone}. Upload the files, then the manifest again."
            )
        return content

    def object_sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of each current object below a prefix, by key relative to it."""
        found = objects.listed(self._bucket, prefix)
        return {each["Key"].removeprefix(prefix): each["Size"] for each in found}

    def newest_version(self) -> str | None:
        """The data set version whose manifest was written last, if there is any."""
        return objects.newest_version(self._bucket)

    def published_images(self, parameter_name: str) -> str | None:
        """What the pipeline wrote of the images it built last, if it has built any."""
        return images.published(parameter_name)

    def has_image(self, digest: str) -> bool:
        """Whether an image is in the repository."""
        try:
            aws.ecr().describe_images(
                repositoryName=self._repository, imageIds=[{"imageDigest": digest}]
            )
        except ClientError as error:
            if aws.error_code(error) == "ImageNotFoundException":
                return False
            raise
        return True

    def newest_claim(self, run_key: str) -> Claim | None:
        """Who runs, or ran, the newest attempt."""
        names = self.object_sizes(f"runs/{run_key}/attempts/")
        attempts = [int(name.removesuffix(".json")) for name in names]
        if not attempts:
            return None
        record = self._record(_claim_key(run_key, max(attempts)))
        return Claim(attempt=max(attempts), execution_arn=record["execution_arn"])

    def claim(self, run_key: str, attempt: int, execution_arn: str) -> bool:
        """Take an attempt for an execution; False if another one was faster."""
        return aws.write_json(
            self._bucket,
            _claim_key(run_key, attempt),
            {"execution_arn": execution_arn},
            overwrite=False,
        )

    def taker_of(self, dataset_digest: str) -> str | None:
        """The execution that trained a data set last, with whatever image."""
        claim = self.newest_claim(dataset_digest.removeprefix("sha256:"))
        return claim.execution_arn if claim else None

    def note_taker(self, dataset_digest: str, execution_arn: str) -> None:
        """Write down who trains a data set; of two at once, either may be the last."""
        name = dataset_digest.removeprefix("sha256:")
        newest = self.newest_claim(name)
        if newest is None or newest.execution_arn != execution_arn:
            self.claim(name, newest.attempt + 1 if newest else 1, execution_arn)

    def version_record(self, run_key: str) -> VersionRecord | None:
        """Who registered the run key's versions, if it has any."""
        return version_records.read(self._bucket, run_key)

    def status(self, execution_arn: str) -> str | None:
        """Status of an execution, or None where it is forgotten."""
        execution = executions.describe(execution_arn)
        return execution["status"] if execution else None

    def _record(self, key: str) -> dict[str, Any]:
        content = aws.read_object(self._bucket, key, at_most_bytes=RECORD_BYTES)
        record: dict[str, Any] = json.loads(content) if content else {}
        return record


def _claim_key(run_key: str, attempt: int) -> str:
    return f"runs/{run_key}/attempts/{attempt}.json"
