"""What Step Functions says of an execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared import aws

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})


def describe(arn: str) -> DescribeExecutionOutputTypeDef | None:
    """Return an execution as it is now, or None where it is forgotten."""
    try:
        return aws.step_functions().describe_execution(executionArn=arn)
    except ClientError as error:
        if aws.error_code(error) == "ExecutionDoesNotExist":
            return None
        raise
