"""What UploadWatch asks EventBridge Scheduler."""

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from shared import aws
from shared.environment import UploadWatchEnvironment
from upload_watch.models import Sealing

ROUNDS = 5
PAUSE_SECONDS = 0.1


def postpone(sealing: Sealing, environment: UploadWatchEnvironment) -> None:
    """Have a version sealed at a time instead of any earlier one.

    Other files of the version arrive at the same time, and the schedule deletes itself, so it
    may come into being, change and go between two requests. What still fails after some rounds
    is raised: Lambda repeats the event later.
    """
    parameters = schedule(sealing, environment)
    client = aws.scheduler()
    for number in range(ROUNDS):
        if _done(client.update_schedule, parameters, "ResourceNotFoundException"):
            return
        if _done(client.create_schedule, parameters, "ConflictException"):
            return
        time.sleep(PAUSE_SECONDS * 2**number)
    client.update_schedule(**parameters)


def _done(request: Callable[..., Any], parameters: dict[str, Any], missed: str) -> bool:
    try:
        request(**parameters)
    except ClientError as error:
        # Both requests also answer with a conflict while another one changes the schedule.
        if aws.error_code(error) in (missed, "ConflictException"):
            return False
        raise
    return True


def schedule(sealing: Sealing, environment: UploadWatchEnvironment) -> dict[str, Any]:
    """Parameters of CreateSchedule and UpdateSchedule."""
    asked = {"dataset": sealing.version, "quiet_seconds": sealing.quiet_seconds}
    return {
        "Name": sealing.name,
        "GroupName": environment.schedule_group_name,
        "Description": f"Seals data set version {sealing.version}",
        "ScheduleExpression": sealing.expression,
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": environment.sealer_function_arn,
            "RoleArn": environment.schedule_role_arn,
            "Input": json.dumps(asked, sort_keys=True),
            "DeadLetterConfig": {"Arn": environment.dead_letter_queue_arn},
        },
    }
