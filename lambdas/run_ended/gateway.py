"""What RunEnded asks of executions, jobs, model versions, logs and the topic."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from run_ended.models import Execution, Job, Version
from shared import aws, executions, log_lines, version_records

PAGES = 20


def execution(arn: str) -> Execution | None:
    """Return an execution as it is now, or None where it is forgotten."""
    described = executions.describe(arn)
    if described is None:
        return None
    return Execution(
        arn=arn,
        name=described["name"],
        status=described["status"],
        error=described.get("error") or "",
        cause=described.get("cause") or "",
        started=described["startDate"],
        stopped=described.get("stopDate"),
        redrives=described.get("redriveCount") or 0,
    )


def newest_events(arn: str) -> Iterator[Mapping[str, Any]]:
    """Events of an execution, newest first; of a very long history only so many."""
    pages = (
        aws.step_functions()
        .get_paginator("get_execution_history")
        .paginate(executionArn=arn, reverseOrder=True, includeExecutionData=True)
    )
    for _, page in zip(range(PAGES), pages, strict=False):
        yield from page["events"]


def stop(job: Job) -> bool:
    """Stop a job if it is in progress; False if there is none of this name."""
    try:
        in_progress = _is_in_progress(job)
    except ClientError as error:
        if aws.is_absent(error):
            return False
        raise
    if in_progress:
        _stop_in_progress(job)
    return True


def _is_in_progress(job: Job) -> bool:
    if job.kind == "Training":
        described = aws.sagemaker().describe_training_job(TrainingJobName=job.name)
        return described["TrainingJobStatus"] == "InProgress"
    processing = aws.sagemaker().describe_processing_job(ProcessingJobName=job.name)
    return processing["ProcessingJobStatus"] == "InProgress"


def _stop_in_progress(job: Job) -> None:
    try:
        if job.kind == "Training":
            aws.sagemaker().stop_training_job(TrainingJobName=job.name)
        else:
            aws.sagemaker().stop_processing_job(ProcessingJobName=job.name)
    except ClientError as error:
        # It ended in between.
        if not aws.is_absent(error) and aws.error_code(error) != "ValidationException":
            raise


def recorded_version(bucket: str, run_key: str) -> str | None:
    """Return the version that is recorded for a run key."""
    record = version_records.read(bucket, run_key)
    return record.model_package_arn if record else None


def versions_since(group: str, moment: datetime) -> Iterator[str]:
    """ARNs of the versions that were registered after a moment, newest first."""
    pages = (
        aws.sagemaker()
        .get_paginator("list_model_packages")
        .paginate(
            ModelPackageGroupName=group,
            CreationTimeAfter=moment,
            SortBy="CreationTime",
            SortOrder="Descending",
        )
    )
    for page in pages:
        yield from (package["ModelPackageArn"] for package in page["ModelPackageSummaryList"])


def version(arn: str, execution_arn: str) -> Version | None:
    """Return a version, if it exists and this execution registered it."""
    try:
        described = aws.sagemaker().describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise
    metadata = described.get("CustomerMetadataProperties", {})
    if metadata.get("execution_arn") != execution_arn:
        return None
    return Version(arn, described["ModelApprovalStatus"])


def reject(arn: str, why: str) -> None:
    """Reject a version."""
    aws.sagemaker().update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Rejected", ApprovalDescription=why
    )


def last_log_lines(job: Job | None) -> tuple[str, ...]:
    """Return the last lines of a job's log; a log that cannot be read has none."""
    if job is None:
        return ()
    try:
        return log_lines.bounded(list(_log_lines(job)))
    except (ClientError, BotoCoreError):
        return ()


def _log_lines(job: Job) -> Iterator[str]:
    streams = aws.logs().describe_log_streams(
        logGroupName=job.log_group, logStreamNamePrefix=f"{job.name}/"
    )
    for stream in streams["logStreams"]:
        yield from log_lines.newest(job.log_group, stream["logStreamName"])
