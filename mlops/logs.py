"""What the jobs and Lambdas of a run wrote to CloudWatch Logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops.errors import MissingError

if TYPE_CHECKING:
    from mlops.history import History, Job, StateVisit
    from mlops.target import Target

ALL_LINES = 10_000
"""What one request of the service returns at most."""
_LATE = timedelta(seconds=2)
"""How long after a Lambda's answer its last lines may be stamped."""


def visit_with_log(history: History, state: str | None) -> StateVisit:
    """Choose a visit: of the state that is named, else the one that failed, else the last job.

    Raises
    ------
    MissingError
        If there is none that wrote a log.
    """
    logging = [visit for visit in history.visits if visit.job or visit.function]
    if state:
        found = [visit for visit in logging if visit.name == state]
    else:
        failed = history.failed_visit
        found = [failed] if failed in logging else [visit for visit in logging if visit.job]
    if found and found[-1] is not None:
        return found[-1]
    known = ", ".join(dict.fromkeys(visit.name for visit in logging)) or "none yet"
    raise MissingError(
        f"{'state ' + state if state else 'no job of the run'} has no log in this run; states "
        f"with one: {known}. Name one with --state."
    )


def state_log(target: Target, visit: StateVisit, lines: int = ALL_LINES) -> list[str]:
    """Return the last lines of a visit's job or Lambda, none where it wrote none."""
    if visit.job:
        return job_log(target, visit.job, lines)
    if visit.function:
        return function_log(target, visit, lines)
    return []


def log_group(target: Target, function: str) -> str:
    """Return the log group of a Lambda, which its configuration may name."""
    configured = target.lambda_.get_function_configuration(FunctionName=function)
    name = str(configured["FunctionName"])
    return str(configured.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}")


def function_log(target: Target, visit: StateVisit, lines: int) -> list[str]:
    """Return what a Lambda wrote during one visit of its state.

    Where the request's id is known, only its lines; else all of that time, to which other
    executions may have contributed.
    """
    client, until = target.logs, (visit.exited or datetime.now(UTC)) + _LATE
    try:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=log_group(target, visit.function or ""),
            startTime=_milliseconds(visit.entered),
            endTime=_milliseconds(until),
        )
        messages = [event["message"].rstrip() for page in pages for event in page["events"]]
    except client.exceptions.ResourceNotFoundException:
        return []
    own = [line for line in messages if visit.request_id and visit.request_id in line]
    return (own or messages)[-lines:]


def job_log(target: Target, job: Job, lines: int) -> list[str]:
    """Return the last lines of a job's log, none where the job wrote none."""
    logs = target.logs
    try:
        streams = logs.describe_log_streams(
            logGroupName=job.log_group, logStreamNamePrefix=f"{job.name}/"
        )["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    messages: list[str] = []
    for stream in streams:
        messages += stream_log(logs, job.log_group, stream["logStreamName"], lines)
    return messages[-lines:]


def stream_log(logs: Any, group: str, stream: str, lines: int) -> list[str]:
    """Read a stream from its end; the service says that it has no more by the same token."""
    messages: list[str] = []
    token: dict[str, str] = {}
    while len(messages) < lines:
        answer = logs.get_log_events(
            logGroupName=group,
            logStreamName=stream,
            limit=min(lines, ALL_LINES),
            startFromHead=False,
            **token,
        )
        messages = [event["message"].rstrip() for event in answer["events"]] + messages
        former = answer.get("nextBackwardToken")
        if not former or not answer["events"] or token == {"nextToken": former}:
            break
        token = {"nextToken": former}
    return messages


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
