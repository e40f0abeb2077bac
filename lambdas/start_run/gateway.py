"""What StartRun asks Step Functions."""

from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from shared import aws
from start_run.models import Start

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
