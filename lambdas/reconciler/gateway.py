"""What the reconciler asks of executions, the bucket, other Lambdas and the endpoint."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from reconciler.models import (
    Endpoint,
    Execution,
    Imageless,
    ListedExecution,
    StoredManifest,
    StoredObject,
)
from shared import aws, executions, images, objects
from shared.datasets import manifest_key

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.literals import ExecutionStatusType
    from mypy_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

ENDED: "tuple[ExecutionStatusType, ...]" = ("FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED")
LISTED_EXECUTIONS = 1000


def ended_executions(
    state_machine_arn: str, *, stopped_after: datetime
) -> Iterator[ListedExecution]:
    """Executions that have ended, the one that ended last first within each status."""
    for status in ENDED:
        pages = (
            aws.step_functions()
            .get_paginator("list_executions")
            .paginate(
                stateMachineArn=state_machine_arn,
                statusFilter=status,
                PaginationConfig={"MaxItems": LISTED_EXECUTIONS},
            )
        )
        for page in pages:
            listed = [_listed(each) for each in page["executions"]]
            yield from listed
            if listed and listed[-1].stopped < stopped_after:
                break


def _listed(listed: "ExecutionListItemTypeDef") -> ListedExecution:
    return ListedExecution(
        arn=listed["executionArn"],
        stopped=listed.get("stopDate", listed["startDate"]),
        redrives=listed.get("redriveCount", 0),
    )


def execution(arn: str) -> Execution | None:
    """Return an execution as it is now, or None where there is none."""
    described = executions.describe(arn)
    return Execution(described["status"], described.get("stopDate")) if described else None


def dataset_objects(bucket: str) -> Iterator[StoredObject]:
    """Every object below what may be a data set version."""
    for version in objects.versions(bucket):
        for found in objects.listed(bucket, f"{version}/"):
            yield StoredObject(found["Key"], found["LastModified"])


def manifest(bucket: str, version: str) -> StoredManifest | None:
    """Return which version of its manifest a data set version has now."""
    head = objects.head(bucket, manifest_key(version))
    return StoredManifest(head.get("VersionId"), head["ETag"].strip('"')) if head else None


def imageless(state_machine_arn: str, parameter_name: str) -> Imageless | None:
    """Return the time before the first image, or None while it lasts."""
    first_image = images.first_published(parameter_name)
    if first_image is None:
        return None
    machine = aws.step_functions().describe_state_machine(stateMachineArn=state_machine_arn)
    return Imageless(deployed=machine["creationDate"], first_image=first_image)


def invoke(function_arn: str, request: Mapping[str, object]) -> None:
    """Hand a request to another Lambda, which has its own retries and dead-letter queue."""
    aws.lambda_().invoke(
        FunctionName=function_arn, InvocationType="Event", Payload=json.dumps(request).encode()
    )


def endpoint(name: str) -> Endpoint | None:
    """Return the staging endpoint as it is now."""
    try:
        described = aws.sagemaker().describe_endpoint(EndpointName=name)
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise
    return Endpoint(described["EndpointStatus"], described["LastModifiedTime"])


def delete_endpoint(name: str) -> None:
    """Delete the staging endpoint, unless it is gone or changing."""
    try:
        aws.sagemaker().delete_endpoint(EndpointName=name)
    except ClientError as error:
        if not aws.is_absent(error) and "in-progress" not in str(error):
            raise
