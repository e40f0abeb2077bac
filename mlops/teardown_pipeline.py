"""What of the code pipeline goes on, and would start runs while they are taken away; its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.pipelines import list_executions
from mlops.teardown_steps import Leftover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.target import Deployment

OF_MODEL_CODE = ("pipeline execution", "build")
_SEARCHED = 100


def of_model_code(deployment: Deployment) -> Iterator[Leftover]:
    """List the executions and builds that go on, in the order in which they are stopped."""
    outputs = deployment.target.stack_outputs(deployment.stack("model-code")) or {}
    # a stack whose creation failed has neither outputs nor anything that goes on
    if "PipelineName" not in outputs:
        return
    for execution in list_executions(deployment, _SEARCHED):
        if execution.goes_on:
            yield Leftover("pipeline execution", f"{outputs['PipelineName']}/{execution.id}")
    # also those that somebody started by hand, or left alone in the console
    for project in ("TestProjectName", "BuildProjectName"):
        yield from _builds(deployment, outputs[project])


def image_parameter(deployment: Deployment) -> Iterator[Leftover]:
    """List what names the images in use: a next deployment has none before its own build."""
    name = deployment.outputs("storage").get("ImageParameterName")
    ssm = deployment.target.ssm
    if name is None:
        return
    try:
        ssm.get_parameter(Name=name)
    except ssm.exceptions.ParameterNotFound:
        return
    yield Leftover("image parameter", name)


def _builds(deployment: Deployment, project: str) -> Iterator[Leftover]:
    client = deployment.target.codebuild
    listed = client.list_builds_for_project(projectName=project, sortOrder="DESCENDING")
    if ids := listed.get("ids", []):
        for build in client.batch_get_builds(ids=ids[:_SEARCHED])["builds"]:
            if build["buildStatus"] == "IN_PROGRESS":
                yield Leftover("build", build["id"])
