"""What runs and builds leave outside CloudFormation, which must go before the stacks can.

An endpoint costs money while it exists; a model package group with versions in it, and a bucket
with objects in it, cannot be deleted. What the storage stack retains or has not created is left
alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops.errors import ToolError
from mlops.executions import stop_run
from mlops.ownership import Owner
from mlops.polling import looks
from mlops.run_report import ending
from mlops.runs import describe_run
from mlops.stack_resources import stack_resources
from mlops.teardown_pipeline import OF_MODEL_CODE, image_parameter, of_model_code
from mlops.teardown_steps import Leftover, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlops.runs import Run
    from mlops.target import Deployment

REASON = "stopped with `mlops destroy`"
_ROUNDS = 5
_CLEANING_SECONDS = 180.0
_EMBEDDED_CLEANING_SECONDS = 20.0


def leftovers(deployment: Deployment) -> list[Leftover]:
    """List what runs created, in the order in which it can be deleted."""
    return [*of_model_code(deployment), *_of_training(deployment), *_of_storage(deployment)]


def clear(deployment: Deployment, note: Callable[[str], None]) -> None:
    """Stop what runs, then delete what runs created, until nothing is left.

    An execution that began meanwhile, or a Lambda that still cleaned up after one, may have
    created more: so it is looked at again until there is nothing.

    Raises
    ------
    ToolError
        If there is always more.
    """
    for _ in range(_ROUNDS):
        left = leftovers(deployment)
        if not left:
            return
        commits = [each for each in left if each.kind in OF_MODEL_CODE]
        runs = [each for each in left if each.kind == "execution"]
        if commits:  # they start executions
            _remove(deployment, commits, note)
            continue
        if runs:
            stop_executions(deployment, runs, note)
            continue
        _remove(deployment, left, note)
    raise ToolError(
        f"something goes on creating {left[0]} and the like. Stop what starts runs of "
        f"{deployment.stack('training')}, then destroy again."
    )


def _remove(deployment: Deployment, left: Sequence[Leftover], note: Callable[[str], None]) -> None:
    for each in left:
        remove(deployment.target, each)
        note(f"{each.done}: {each}")


def stop_executions(
    deployment: Deployment, executions: Sequence[Leftover], note: Callable[[str], None]
) -> None:
    """Stop executions; return when RunEnded has cleaned up after them, or does not in time."""
    stopped: list[Run] = []
    for each in executions:
        run = describe_run(deployment.target, each.name)
        if run.stopped is None:
            stopped.append(stop_run(deployment, run, REASON))
        note(f"{each.done}: {each}")
    if stopped and deployment.run_table:
        note("waiting for RunEnded, which cleans up after them")
        _wait_for_endings(deployment, stopped, note)


def _wait_for_endings(
    deployment: Deployment, stopped: Sequence[Run], note: Callable[[str], None]
) -> None:
    embedded = deployment.target.embedded
    seconds = _EMBEDDED_CLEANING_SECONDS if embedded else _CLEANING_SECONDS
    unfinished: list[str] = []
    for _ in looks(seconds, every=deployment.target.poll_seconds):
        unfinished = [run.name for run in stopped if not _completed(deployment, run)]
        if not unfinished:
            return
    note(
        f"going on, although RunEnded has not finished after {seconds:.0f} s: "
        f"{', '.join(unfinished)}; what it would have cleaned is deleted, but nobody is "
        "notified, and versions in a group that stays may not be Rejected"
    )


def _completed(deployment: Deployment, run: Run) -> bool:
    end = ending(deployment, run)
    return bool(end and end.completed)


def _of_training(deployment: Deployment) -> Iterator[Leftover]:
    # a stack whose creation failed has neither outputs nor anything that runs
    if "StateMachineArn" not in (
        deployment.target.stack_outputs(deployment.stack("training")) or {}
    ):
        return
    yield from _executions(deployment)
    yield from _jobs(deployment)
    yield from _schedules(deployment)
    yield from _endpoint(deployment)
    yield from _configs_and_models(deployment)


def _executions(deployment: Deployment) -> Iterator[Leftover]:
    pages = deployment.target.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=deployment.state_machine_arn, statusFilter="RUNNING"
    )
    for page in pages:
        for execution in page["executions"]:
            yield Leftover("execution", execution["executionArn"])


def _jobs(deployment: Deployment) -> Iterator[Leftover]:
    prefix, sagemaker = f"{deployment.project.name}-", deployment.target.sagemaker
    job_name = re.compile(f"{_run_name(deployment)}(-validate|-evaluate)?")
    owner = Owner(deployment)
    training = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=prefix, StatusEquals="InProgress"
    )
    for page in training:
        for job in page["TrainingJobSummaries"]:
            name = job["TrainingJobName"]
            if job_name.fullmatch(name) and owner.has_training_job(name):
                yield Leftover("training job", name)
    processing = sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains=prefix, StatusEquals="InProgress"
    )
    for listed in processing:
        for started in listed["ProcessingJobSummaries"]:
            name = started["ProcessingJobName"]
            if job_name.fullmatch(name) and owner.has_processing_job(name):
                yield Leftover("processing job", name)


def _schedules(deployment: Deployment) -> Iterator[Leftover]:
    """List the schedules that uploads made; those of the stack go with it."""
    resources = stack_resources(deployment, "training")
    groups = [each for each in resources if each.type == "AWS::Scheduler::ScheduleGroup"]
    kinds = ("AWS::Scheduler::Schedule",)
    of_stack = {each.physical_id for each in resources if each.type in kinds}
    for group in groups:
        name = group.physical_id.rpartition("/")[2]
        pages = deployment.target.scheduler.get_paginator("list_schedules").paginate(GroupName=name)
        for page in pages:
            for schedule in page["Schedules"]:
                if schedule["Name"] not in of_stack:
                    yield Leftover("schedule", f"{name}/{schedule['Name']}")


def _endpoint(deployment: Deployment) -> Iterator[Leftover]:
    pages = deployment.target.sagemaker.get_paginator("list_endpoints").paginate(
        NameContains=deployment.endpoint_name
    )
    for page in pages:
        for endpoint in page["Endpoints"]:
            if endpoint["EndpointName"] == deployment.endpoint_name:
                yield Leftover("endpoint", endpoint["EndpointName"])


def _configs_and_models(deployment: Deployment) -> Iterator[Leftover]:
    prefix, sagemaker = f"{deployment.project.name}-", deployment.target.sagemaker
    run_name, owner = re.compile(_run_name(deployment)), Owner(deployment)
    configs = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=prefix)
    for configured in configs:
        for config in configured["EndpointConfigs"]:
            name = config["EndpointConfigName"]
            if run_name.fullmatch(name) and owner.has_config(name):
                yield Leftover("endpoint configuration", name)
    for created in sagemaker.get_paginator("list_models").paginate(NameContains=prefix):
        for model in created["Models"]:
            if run_name.fullmatch(model["ModelName"]) and owner.has_model(model["ModelName"]):
                yield Leftover("model", model["ModelName"])


def _run_name(deployment: Deployment) -> str:
    """Return what PrepareRun makes, <project>-<data set>-<run key>-<attempt>.

    Names of a project whose own name begins with ours match as well: `Owner` tells them apart.
    """
    return rf"{re.escape(deployment.project.name)}-.+-[0-9a-f]{{10}}-\d+"


def _of_storage(deployment: Deployment) -> Iterator[Leftover]:
    """List what is in the group and the bucket, if it was this stack that created them."""
    if "BucketName" not in (deployment.target.stack_outputs(deployment.stack("storage")) or {}):
        return
    deleted = {
        (each.type, each.physical_id.rpartition("/")[2])
        for each in stack_resources(deployment, "storage")
        if not each.retained
    }
    if ("AWS::SageMaker::ModelPackageGroup", deployment.model_package_group) in deleted:
        pages = deployment.target.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=deployment.model_package_group
        )
        for page in pages:
            for package in page["ModelPackageSummaryList"]:
                yield Leftover("model package version", package["ModelPackageArn"])
    if ("AWS::S3::Bucket", deployment.bucket) in deleted and _has_objects(deployment):
        yield Leftover("all objects in bucket", deployment.bucket)
    yield from image_parameter(deployment)


def _has_objects(deployment: Deployment) -> bool:
    listed: Any = deployment.target.s3.list_object_versions(Bucket=deployment.bucket, MaxKeys=1)
    return bool(listed.get("Versions") or listed.get("DeleteMarkers"))
