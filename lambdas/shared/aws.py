"""AWS clients, built at first use, and the few S3 calls that several Lambdas make."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

RETRIES = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5)
MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class ObjectTooLarge(Exception):
    """An object is larger than its reader accepts."""


@cache
def s3() -> S3Client:
    """Data, artifacts, claims."""
    return boto3.client("s3", config=RETRIES)


@cache
def ecr() -> ECRClient:
    """Images."""
    return boto3.client("ecr", config=RETRIES)


@cache
def step_functions() -> SFNClient:
    """Executions."""
    return boto3.client("stepfunctions", config=RETRIES)


@cache
def sagemaker() -> SageMakerClient:
    """Registry and endpoints."""
    return boto3.client("sagemaker", config=RETRIES)


@cache
def sagemaker_runtime() -> SageMakerRuntimeClient:
    """Predictions."""
    return boto3.client("sagemaker-runtime", config=RETRIES)


@cache
def dynamodb() -> DynamoDBClient:
    """The run table."""
    return boto3.client("dynamodb", config=RETRIES)


@cache
def sns() -> SNSClient:
    """Notifications."""
    return boto3.client("sns", config=RETRIES)


@cache
def scheduler() -> EventBridgeSchedulerClient:
    """Quiet periods."""
    return boto3.client("scheduler", config=RETRIES)


@cache
def logs() -> CloudWatchLogsClient:
    """Logs of jobs and builds."""
    return boto3.client("logs", config=RETRIES)


@cache
def ssm() -> SSMClient:
    """The parameter that names the images."""
    return boto3.client("ssm", config=RETRIES)


@cache
def codebuild() -> CodeBuildClient:
    """Builds of the pipeline."""
    return boto3.client("codebuild", config=RETRIES)


@cache
def codepipeline() -> CodePipelineClient:
    """The pipeline's executions and actions."""
    return boto3.client("codepipeline", config=RETRIES)


@cache
def lambda_() -> LambdaClient:
    """Other Lambdas."""
    return boto3.client("lambda", config=RETRIES)


def error_code(error: ClientError) -> str:
    """The service's name for what went wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_absent(error: ClientError) -> bool:
    """Whether SageMaker refused because there is no such resource, which it says in words only."""
    code, message = error_code(error), str(error)
    words = ("Could not find", "does not exist", "resource not found")
    return code == "ResourceNotFound" or (
        code == "ValidationException" and any(each in message for each in words)
    )


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/some/key` as bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def read_object(
    bucket: str, key: str, *, at_most_bytes: int, version_id: str | None = None
) -> bytes | None:
    """Return an object's bytes, or None where there is none.

    Raises
    ------
    ObjectTooLarge
        If it has more than `at_most_bytes`: nothing is read then.
    """
    version = {"VersionId": version_id} if version_id else {}
    try:
        response = s3().get_object(Bucket=bucket, Key=key, **version)  # type: ignore[arg-type]
    except ClientError as error:
        if error_code(error) in MISSING:
            return None
        raise
    if response["ContentLength"] > at_most_bytes:
        raise ObjectTooLarge(
            f"s3://{bucket}/{key} has {response['ContentLength']} bytes, "
            f"expected at most {at_most_bytes}"
        )
    return response["Body"].read()


def write_json(bucket: str, key: str, content: dict[str, Any], *, overwrite: bool = True) -> bool:
    """Put a JSON object; False where it may not be overwritten and exists already."""
    condition = {} if overwrite else {"IfNoneMatch": "*"}
    body = json.dumps(content, sort_keys=True).encode()
    try:
        s3().put_object(
            Bucket=bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            **condition,  # type: ignore[arg-type]
        )
    except ClientError as error:
        if error_code(error) in LOST_RACE:
            return False
        raise
    return True
