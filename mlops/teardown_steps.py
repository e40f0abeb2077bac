"""How each kind of what runs leave is stopped or deleted; what is gone already is fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.builds import stop_builds
from mlops.errors import ToolError
from mlops.pipeline_abandon import abandon
from mlops.polling import looks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.exceptions import ClientError

    from mlops.target import Target

_STOPPED = ("pipeline execution", "build", "execution", "training job", "processing job")
_CHANGING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
_ENDPOINT_SECONDS = 1800.0
_GONE = (
    "could not find",
    "does not exist",
    "not found",
    "cannot find",
    "request was rejected because the",
    "parameternotfound",
    "notstoppable",
    "duplicatedstop",
)
"""The services' words for what is gone, ended in the meantime, or is stopped already."""


@dataclass(frozen=True)
class Leftover:
    """One thing that runs created or that goes on."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def action(self) -> str:
        """What happens to it."""
        return "stop" if self.kind in _STOPPED else "delete"

    @property
    def done(self) -> str:
        """What has happened to it."""
        return "stopped" if self.kind in _STOPPED else "deleted"


def remove(target: Target, leftover: Leftover) -> None:
    """Stop or delete one of them; an endpoint is gone when this returns."""
    from botocore.exceptions import ClientError

    try:
        _STEPS[leftover.kind](target, leftover.name)
    except ClientError as error:
        if not is_gone(error):
            raise


def is_gone(error: ClientError) -> bool:
    """Tell whether a service says that there is no such thing, or nothing of it to stop."""
    return any(words in str(error).lower() for words in _GONE)


def _stop_pipeline_execution(target: Target, name: str) -> None:
    pipeline, _, execution = name.partition("/")
    # what takes too long is seen by who looks again
    abandon(target, pipeline, execution, "stopped with `mlops destroy`")


def _delete_schedule(target: Target, name: str) -> None:
    group, _, schedule = name.partition("/")
    target.scheduler.delete_schedule(GroupName=group, Name=schedule)


def _delete_endpoint(target: Target, name: str) -> None:
    """Delete an endpoint in any status: one that changes is waited for, which AWS demands."""
    asked = False
    for _ in looks(_ENDPOINT_SECONDS, every=target.poll_seconds):
        # ends with the ClientError that says that there is no such endpoint
        status = target.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        if status not in _CHANGING and not asked:
            target.sagemaker.delete_endpoint(EndpointName=name)
            asked = True
    raise ToolError(
        f"endpoint {name} is still {status} after {_ENDPOINT_SECONDS:.0f} s. Destroy again later."
    )


def _delete_version(target: Target, arn: str) -> None:
    target.sagemaker.delete_model_package(ModelPackageName=arn)


def _empty_bucket(target: Target, bucket: str) -> None:
    pages = target.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    for page in pages:
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects: list[Any] = [
            {"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions
        ]
        if objects:
            target.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


_STEPS: Mapping[str, Callable[[Target, str], Any]] = {
    "pipeline execution": _stop_pipeline_execution,
    "build": lambda target, build_id: stop_builds(target, [build_id]),
    "execution": lambda target, arn: target.stepfunctions.stop_execution(executionArn=arn),
    "training job": lambda target, name: target.sagemaker.stop_training_job(TrainingJobName=name),
    "processing job": lambda target, name: target.sagemaker.stop_processing_job(
        ProcessingJobName=name
    ),
    "schedule": _delete_schedule,
    "endpoint": _delete_endpoint,
    "endpoint configuration": lambda target, name: target.sagemaker.delete_endpoint_config(
        EndpointConfigName=name
    ),
    "model": lambda target, name: target.sagemaker.delete_model(ModelName=name),
    "model package version": _delete_version,
    "all objects in bucket": _empty_bucket,
    "image parameter": lambda target, name: target.ssm.delete_parameter(Name=name),
}
