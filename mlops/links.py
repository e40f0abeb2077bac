"""Where to look further: pages of the AWS console, or commands on the embedded account."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from mlops.history import Job
    from mlops.target import Target

_AWS = ".venv/bin/aws"
_JOBS = {
    "/aws/sagemaker/TrainingJobs": ("jobs", "describe-training-job --training-job-name"),
    "/aws/sagemaker/ProcessingJobs": (
        "processing-jobs",
        "describe-processing-job --processing-job-name",
    ),
    "/aws/sagemaker/TransformJobs": (
        "transform-jobs",
        "describe-transform-job --transform-job-name",
    ),
}


def execution_link(target: Target, arn: str) -> str:
    """Say where an execution is shown."""
    if target.embedded:
        return f"{_AWS} stepfunctions describe-execution --execution-arn {arn}"
    return _console(target, "states", f"/v2/executions/details/{arn}")


def job_link(target: Target, job: Job) -> str:
    """Say where a job is shown."""
    page, command = _JOBS[job.log_group]
    if target.embedded:
        return f"{_AWS} sagemaker {command} {job.name}"
    return _console(target, "sagemaker", f"/{page}/{job.name}")


def endpoint_link(target: Target, name: str) -> str:
    """Say where an endpoint is shown."""
    if target.embedded:
        return f"{_AWS} sagemaker describe-endpoint --endpoint-name {name}"
    return _console(target, "sagemaker", f"/endpoints/{name}")


def log_link(target: Target, group: str, prefix: str = "") -> str:
    """Say where a log group is shown, at the streams that begin with `prefix`."""
    if target.embedded:
        streams = f" --log-stream-name-prefix {prefix}" if prefix else ""
        return f"{_AWS} logs filter-log-events --log-group-name {group}{streams}"
    page = f"logsV2:log-groups/log-group/{_twice(group)}"
    query = f"$3FlogStreamNameFilter$3D{_twice(prefix)}" if prefix else ""
    return _console(target, "cloudwatch", f"{page}{query}")


def _twice(text: str) -> str:
    """Quote twice, with $ instead of %, as the console of CloudWatch has it."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")


def _console(target: Target, service: str, fragment: str) -> str:
    host = f"https://{target.region}.console.aws.amazon.com"
    return f"{host}/{service}/home?region={target.region}#{fragment}"
