"""What AcquireStaging asks Step Functions."""

from shared import executions
from staging_lock.models import Execution


def describe_execution(execution_arn: str) -> Execution | None:
    """Return an execution, or None where it is forgotten."""
    described = executions.describe(execution_arn)
    if described is None:
        return None
    stopped = described.get("stopDate")
    return Execution(described["status"], int(stopped.timestamp()) if stopped else None)
