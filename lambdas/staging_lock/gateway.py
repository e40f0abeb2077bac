"""What AcquireStaging asks Step Functions."""

from botocore.exceptions import ClientError

from shared import aws
from staging_lock.models import Execution


def describe_execution(execution_arn: str) -> Execution | None:
    """Return an execution, or None where it is forgotten."""
    try:
        response = aws.step_functions().describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if aws.error_code(error) == "ExecutionDoesNotExist":
            return None
        raise
    stopped = response.get("stopDate")
    return Execution(response["status"], int(stopped.timestamp()) if stopped else None)
