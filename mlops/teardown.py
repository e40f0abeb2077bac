"""What runs leave outside CloudFormation, which must go before the stacks can.

An endpoint costs money while it exists; a model package group with versions in it, and a bucket
with objects in it, cannot be deleted. What the storage stack retains is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.target import Deployment, Target

_ENDPOINT = "endpoint"
_CONFIGURATION = "endpoint configuration"
_MODEL = "model"
_VERSION = "model package version"
_OBJECTS = "all objects in bucket"


@dataclass(frozen=True)
class Leftover:
    """One resource that runs created."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def leftovers(deployment: Deployment) -> list[Leftover]:
    """List what runs created, in the order in which it can be deleted."""
    return [*_of_training(deployment), *_of_storage(deployment)]


def _of_training(deployment: Deployment) -> Iterator[Leftover]:
    if not deployment.deployed("training"):
        return
    prefix, sagemaker = f"{deployment.project.name}-", deployment.target.sagemaker
    # <project>-<data set>-<run key>-<attempt>, as PrepareRun makes it: what others made stays
    run_name = re.compile(rf"{re.escape(prefix)}.+-[0-9a-f]{{10}}-\d+")
    endpoints = sagemaker.get_paginator("list_endpoints").paginate(
        NameContains=deployment.endpoint_name
    )
    for page in endpoints:
        for endpoint in page["Endpoints"]:
            if endpoint["EndpointName"] == deployment.endpoint_name:
                yield Leftover(_ENDPOINT, endpoint["EndpointName"])
    configs = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=prefix)
    for configured in configs:
        for config in configured["EndpointConfigs"]:
            if run_name.fullmatch(config["EndpointConfigName"]):
                yield Leftover(_CONFIGURATION, config["EndpointConfigName"])
    for created in sagemaker.get_paginator("list_models").paginate(NameContains=prefix):
        for model in created["Models"]:
            if run_name.fullmatch(model["ModelName"]):
                yield Leftover(_MODEL, model["ModelName"])


def _of_storage(deployment: Deployment) -> Iterator[Leftover]:
    if not deployment.deployed("storage"):
        return
    deleted = _deleted_types(deployment)
    if "AWS::SageMaker::ModelPackageGroup" in deleted:
        pages = deployment.target.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=deployment.model_package_group
        )
        for page in pages:
            for package in page["ModelPackageSummaryList"]:
                yield Leftover(_VERSION, package["ModelPackageArn"])
    if "AWS::S3::Bucket" in deleted:
        yield Leftover(_OBJECTS, deployment.bucket)


def _deleted_types(deployment: Deployment) -> set[str]:
    stack = deployment.project.stack(deployment.env, "storage")
    template: Any = deployment.target.cloudformation.get_template(StackName=stack)["TemplateBody"]
    resources = template["Resources"].values()
    return {each["Type"] for each in resources if each.get("DeletionPolicy") == "Delete"}


def remove(target: Target, leftover: Leftover) -> None:
    """Delete one of them; an endpoint is gone when this returns."""
    sagemaker, name = target.sagemaker, leftover.name
    if leftover.kind == _ENDPOINT:
        sagemaker.delete_endpoint(EndpointName=name)
        sagemaker.get_waiter("endpoint_deleted").wait(
            EndpointName=name, WaiterConfig={"Delay": 1 if target.embedded else 10}
        )
    elif leftover.kind == _CONFIGURATION:
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    elif leftover.kind == _MODEL:
        sagemaker.delete_model(ModelName=name)
    elif leftover.kind == _VERSION:
        sagemaker.delete_model_package(ModelPackageName=name)
    elif leftover.kind == _OBJECTS:
        _empty(target, name)


def _empty(target: Target, bucket: str) -> None:
    pages = target.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    for page in pages:
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects: list[Any] = [
            {"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions
        ]
        if objects:
            target.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
