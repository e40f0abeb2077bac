"""What people's work `mlops destroy` deletes with the stacks; what outlives it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.cdk import cdk_of
from mlops.project import PARTS
from mlops.stack_resources import stack_resources
from mlops.teardown_steps import Leftover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.stack_resources import StackResource
    from mlops.target import Deployment

_IMPORTED = {
    "BucketName": ("AWS::S3::Bucket", "bucket"),
    "KeyArn": ("AWS::KMS::Key", "key"),
    "RepositoryName": ("AWS::ECR::Repository", "repository"),
}
_REPOSITORIES = {
    "AWS::CodeCommit::Repository": "git repository with its commits",
    "AWS::ECR::Repository": "repository with its images",
}
_POLICY = "retained by its DeletionPolicy (storage.removal_policy in mlops.toml)"


@dataclass(frozen=True)
class Kept:
    """One thing that stays."""

    kind: str
    name: str
    reason: str


def deleted_repositories(deployment: Deployment) -> list[Leftover]:
    """List the repositories that are deleted with the stacks: what is in them is gone."""
    return [
        Leftover(_REPOSITORIES[each.type], _name(each))
        for part in reversed(PARTS)
        for each in stack_resources(deployment, part)
        if each.type in _REPOSITORIES and not each.retained
    ]


def kept(deployment: Deployment) -> list[Kept]:
    """List what stays when the stacks are deleted."""
    found: list[Kept] = []
    for part in reversed(PARTS):
        resources = stack_resources(deployment, part)
        for each in resources:
            if each.retained:
                found.append(Kept(each.type, _name(each), _POLICY))
            elif each.type == "AWS::KMS::Key":
                reason = "KMS keeps it for its waiting period, without charge, then deletes it"
                found.append(Kept(each.type, each.physical_id, reason))
        if part == "storage" and resources:
            found += _imported(deployment, resources)
    return [*found, *_of_the_account(deployment)]


def _name(resource: StackResource) -> str:
    """Return the name by which it is found; of a CodeCommit repository, the stack knows its id."""
    named = resource.properties.get("RepositoryName")
    return named if isinstance(named, str) else resource.physical_id


def _imported(deployment: Deployment, resources: list[StackResource]) -> Iterator[Kept]:
    own = {each.type for each in resources}
    outputs = deployment.outputs("storage")
    for output, (kind, what) in _IMPORTED.items():
        if output in outputs and kind not in own:
            reason = f"an existing {what}: this project did not create it"
            yield Kept(kind, outputs[output], reason)


def _of_the_account(deployment: Deployment) -> Iterator[Kept]:
    groups = "/aws/sagemaker/{TrainingJobs,ProcessingJobs,Endpoints}"
    yield Kept(
        "log groups",
        groups,
        "SageMaker makes them and keeps them: delete by hand what is not wanted",
    )
    toolkit = cdk_of(deployment.project, deployment.env).toolkit_stack
    yield Kept("stack", toolkit, "the CDK's own, with the assets that it uploaded")
