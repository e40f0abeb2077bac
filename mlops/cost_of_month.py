"""What a month costs in which nothing is run, at list prices, from what is deployed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops.cost_of_pipeline import cost_while_idle
from mlops.prices import HOURS_A_MONTH, CostLine, cost_line
from mlops.project import PARTS
from mlops.runs import machine_states
from mlops.stack_resources import stack_resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops.stack_resources import StackResource
    from mlops.target import Deployment

_GIGABYTE = 1024.0**3
_ASSUMED_SECONDS = 1.0
_DEFAULT_GB = 128 / 1024
_MINUTES = {"minute": 1, "minutes": 1, "hour": 60, "hours": 60, "day": 1440, "days": 1440}
_COUNTED = {
    "AWS::KMS::Key": ("KMS keys", "kms-key"),
    "AWS::CloudWatch::Alarm": ("alarms", "alarm"),
    "AWS::CloudWatch::Dashboard": ("dashboards", "dashboard"),
}
NOT_COUNTED = (
    "not counted: requests, custom metrics, log ingestion, data transfer, schedules by cron, what "
    "runs cost (--run), image scans, active git users, free tiers (10 alarms, 3 dashboards, 25 GB "
    "of tables, 100 build minutes, 5 git users …), taxes"
)


def cost_of_month(deployment: Deployment) -> list[CostLine]:
    """Itemise an idle month of an environment."""
    resources = [each for part in PARTS for each in stack_resources(deployment, part)]
    return [
        *_endpoint(deployment, resources),
        *_counted(resources),
        *_schedules(resources),
        _logs(deployment, resources),
        *_tables(deployment, resources),
        *cost_while_idle(resources),
        _objects(deployment),
        _images(deployment),
    ]


def _endpoint(deployment: Deployment, resources: Sequence[StackResource]) -> Iterator[CostLine]:
    parameters = machine_states(deployment).get("CreateEndpointConfig", {}).get("Parameters", {})
    hours = _time_to_live_hours(resources)
    for variant in parameters.get("ProductionVariants", []):
        count, instance = int(variant.get("InitialInstanceCount", 1)), variant["InstanceType"]
        lasts = min(hours, HOURS_A_MONTH) if hours else HOURS_A_MONTH
        until = f"deleted {hours:g} h after its last deployment" if hours else "never deleted"
        remark = f"{count} {instance}, {lasts:g} h: {until}"
        yield cost_line("staging endpoint", instance, count * lasts, remark)


def _time_to_live_hours(resources: Sequence[StackResource]) -> float:
    for each in resources:
        if each.type == "AWS::Lambda::Function":
            variables = each.properties.get("Environment", {}).get("Variables", {})
            if "ENDPOINT_TIME_TO_LIVE_SECONDS" in variables:
                return float(variables["ENDPOINT_TIME_TO_LIVE_SECONDS"]) / 3600
    return 0.0


def _counted(resources: Sequence[StackResource]) -> Iterator[CostLine]:
    for kind, (item, price) in _COUNTED.items():
        count = sum(1 for each in resources if each.type == kind)
        if count:
            yield cost_line(item, price, count)


def _schedules(resources: Sequence[StackResource]) -> Iterator[CostLine]:
    """Price what schedules at a fixed rate do: an invocation, and a second of a small Lambda."""
    memory_gb = _memory_gb_by_function(resources)
    times = used = 0.0
    for each in resources:
        if each.type == "AWS::Scheduler::Schedule":
            comes_up = invocations_a_month(str(each.properties.get("ScheduleExpression", "")))
            times += comes_up
            used += comes_up * _ASSUMED_SECONDS * memory_gb.get(_invoked(each), _DEFAULT_GB)
    if times:
        yield cost_line("schedules", "schedule-invocation", times)
        yield cost_line("their Lambda requests", "lambda-request", times)
        assumed = f"assumed {_ASSUMED_SECONDS:g} s each"
        yield cost_line("their Lambda time", "lambda-x86_64", used, assumed)


def _invoked(schedule: StackResource) -> str:
    """Return the logical id of the Lambda that a schedule invokes."""
    arn = schedule.properties.get("Target", {}).get("Arn")
    return str(arn["Fn::GetAtt"][0]) if isinstance(arn, dict) and "Fn::GetAtt" in arn else ""


def _memory_gb_by_function(resources: Sequence[StackResource]) -> dict[str, float]:
    return {
        each.logical_id: each.properties["MemorySize"] / 1024
        for each in resources
        if each.type == "AWS::Lambda::Function" and "MemorySize" in each.properties
    }


def invocations_a_month(expression: str) -> float:
    """Return how often a ``rate(…)`` comes up in a month; others are not counted."""
    match = re.fullmatch(r"rate\((\d+) (\w+)\)", expression)
    if match and match[2] in _MINUTES:
        return HOURS_A_MONTH * 60 / (int(match[1]) * _MINUTES[match[2]])
    return 0.0


def _logs(deployment: Deployment, resources: Sequence[StackResource]) -> CostLine:
    names = {each.physical_id for each in resources if each.type == "AWS::Logs::LogGroup"}
    pages = deployment.target.logs.get_paginator("describe_log_groups").paginate()
    size = sum(
        group.get("storedBytes", 0)
        for page in pages
        for group in page["logGroups"]
        if group["logGroupName"] in names
    )
    return cost_line("log storage", "log-storage", size / _GIGABYTE, f"{len(names)} log groups")


def _tables(deployment: Deployment, resources: Sequence[StackResource]) -> Iterator[CostLine]:
    for each in resources:
        if each.type == "AWS::DynamoDB::Table":
            table: Any = deployment.target.dynamodb.describe_table(TableName=each.physical_id)
            size = table["Table"].get("TableSizeBytes", 0) / _GIGABYTE
            yield cost_line("run table", "table-storage", size, "billed by request")
            recovery = each.properties.get("PointInTimeRecoverySpecification", {})
            if recovery.get("PointInTimeRecoveryEnabled"):
                yield cost_line("its point-in-time recovery", "table-recovery", size)


def _objects(deployment: Deployment) -> CostLine:
    pages = deployment.target.s3.get_paginator("list_object_versions").paginate(
        Bucket=deployment.bucket
    )
    sizes = [each["Size"] for page in pages for each in page.get("Versions", [])]
    remark = f"{len(sizes)} objects and former versions"
    return cost_line("data and artifacts", "object-storage", sum(sizes) / _GIGABYTE, remark)


def _images(deployment: Deployment) -> CostLine:
    pages = deployment.target.ecr.get_paginator("describe_images").paginate(
        repositoryName=deployment.repository_name
    )
    sizes = [each.get("imageSizeInBytes", 0) for page in pages for each in page["imageDetails"]]
    size = sum(sizes) / _GIGABYTE
    return cost_line("images", "image-storage", size, f"{len(sizes)} images; shared layers count")
