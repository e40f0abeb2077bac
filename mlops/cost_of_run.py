"""What one run has cost, at list prices: its jobs, its states, its Lambdas."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlops.prices import HOURS_A_MONTH, CostLine, cost_line
from mlops.runs import execution_history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.history import History, StateVisit
    from mlops.runs import Run
    from mlops.target import Target

_HOUR = 3600.0
NOT_COUNTED = (
    "not counted: logs, requests to S3, KMS, DynamoDB and ECR, custom metrics, the endpoint (see "
    "--month), free tiers, taxes"
)


def cost_of_run(target: Target, run: Run) -> list[CostLine]:
    """Itemise what a run has used so far."""
    history = execution_history(target, run.execution_arn)
    jobs = [line for visit in history.visits if visit.job for line in _job(target, visit)]
    transitions = cost_line("state transitions", "state-transition", history.transitions)
    return [*jobs, transitions, *_lambdas(target, history)]


def _job(target: Target, visit: StateVisit) -> Iterator[CostLine]:
    job = visit.job
    if job is None:
        return
    if job.log_group.endswith("/TrainingJobs"):
        described: Any = target.sagemaker.describe_training_job(TrainingJobName=job.name)
        resources = described["ResourceConfig"]
        seconds = float(described.get("BillableTimeInSeconds", 0))
    else:
        described = target.sagemaker.describe_processing_job(ProcessingJobName=job.name)
        resources = described["ProcessingResources"]["ClusterConfig"]
        began, ended = described.get("ProcessingStartTime"), described.get("ProcessingEndTime")
        seconds = (ended - began).total_seconds() if began and ended else 0.0
    count, instance = resources.get("InstanceCount", 1), resources["InstanceType"]
    remark = f"{count} {instance}, {seconds:.0f} s"
    yield cost_line(visit.name, instance, count * seconds / _HOUR, remark)
    gigabyte_months = count * resources["VolumeSizeInGB"] * seconds / _HOUR / HOURS_A_MONTH
    volume = f"{resources['VolumeSizeInGB']} GB, {seconds:.0f} s"
    yield cost_line(f"{visit.name} volume", "job-volume", gigabyte_months, volume)


def _lambdas(target: Target, history: History) -> Iterator[CostLine]:
    """Estimate: a Lambda is billed for less than the time that its state took."""
    seconds: dict[str, float] = defaultdict(float)
    requests = 0
    for visit in history.visits:
        if visit.function:
            requests += visit.attempts
            seconds[visit.function] += visit.seconds(visit.entered)
    if not requests:
        return
    yield cost_line("Lambda requests", "lambda-request", requests)
    used: dict[str, float] = defaultdict(float)
    for function, took in seconds.items():
        configured = target.lambda_.get_function_configuration(FunctionName=function)
        architecture = configured.get("Architectures", ["x86_64"])[0]
        used[architecture] += took * configured["MemorySize"] / 1024
    for kind, gigabyte_seconds in used.items():
        yield cost_line(
            "Lambda time", f"lambda-{kind}", gigabyte_seconds, "estimate: the states' time"
        )
