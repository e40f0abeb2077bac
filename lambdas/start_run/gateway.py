"""What StartRun asks S3 and Step Functions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from shared import aws, objects
from shared.datasets import manifest_key
from start_run.models import Start, StoredManifest

# Clocks differ by less; duplicates that arrive faster are counted as started, and started once.
CLOCKS_DIFFER = timedelta(seconds=1)


def start(state_machine_arn: str, asked: Start) -> bool:
    """Start an execution; False if it was started before.

    While an execution runs, Step Functions answers a repeated request as it did the first one,
    with the date of the first.
    """
    asked_at = datetime.now(UTC)
    try:
        response = aws.step_functions().start_execution(
            stateMachineArn=state_machine_arn,
            name=asked.name,
            input=asked.input.model_dump_json(),
        )
    except ClientError as error:
        if aws.error_code(error) == "ExecutionAlreadyExists":
            return False
        raise
    return response["startDate"] >= asked_at - CLOCKS_DIFFER


def manifests(bucket: str) -> Iterator[StoredManifest]:
    """Every data set version that has a manifest."""
    for version in objects.versions(bucket):
        if head := objects.head(bucket, manifest_key(version)):
            yield StoredManifest(version, head["LastModified"])
