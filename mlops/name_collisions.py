"""Names that the stacks will take: is anything there already that is not theirs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.doctor import FAIL, OK, WARN, Finding
from mlops.project import PARTS
from mlops.stack_resources import stack_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlops.cdk import Cdk
    from mlops.stack_resources import StackResource
    from mlops.target import Deployment, Target

_NAMED = {
    "AWS::S3::Bucket": ("BucketName", "bucket"),
    "AWS::ECR::Repository": ("RepositoryName", "repository"),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupName", "model package group"),
    "AWS::CodeCommit::Repository": ("RepositoryName", "code repository"),
    "AWS::CodePipeline::Pipeline": ("Name", "pipeline"),
}
_LOOK: Mapping[str, Callable[[Target, str], Any]] = {
    "bucket": lambda target, name: target.s3.head_bucket(Bucket=name),
    "repository": lambda target, name: target.ecr.describe_repositories(repositoryNames=[name]),
    "model package group": lambda target, name: target.sagemaker.describe_model_package_group(
        ModelPackageGroupName=name
    ),
    "endpoint": lambda target, name: target.sagemaker.describe_endpoint(EndpointName=name),
    "code repository": lambda target, name: target.codecommit.get_repository(repositoryName=name),
    "pipeline": lambda target, name: target.codepipeline.get_pipeline(name=name),
}
_SETTINGS = {
    "bucket": " or set storage.existing_bucket_name",
    "repository": " or set storage.existing_repository_name",
    "code repository": " or set model_code.repository_name",
    "pipeline": " or set model_code.pipeline_name",
}
"""What else than the project's name frees a kind of name."""
_ABSENT = ("404", "nosuchbucket", "notfound", "not found", "does not exist", "could not find")
_DELETE = "delete it: `.venv/bin/aws cloudformation delete-stack --stack-name {}`"
_GO_ON = (
    "remove what stopped the rollback, then `.venv/bin/aws cloudformation "
    "continue-update-rollback --stack-name {}`"
)
_BROKEN = {
    "ROLLBACK_COMPLETE": _DELETE,
    "ROLLBACK_FAILED": _DELETE,
    "CREATE_FAILED": _DELETE,
    "DELETE_FAILED": _DELETE,
    "UPDATE_ROLLBACK_FAILED": _GO_ON,
}
"""Statuses that no deployment gets a stack out of, and what does."""


def check_names(deployment: Deployment, cdk: Cdk) -> Iterator[Finding]:
    """Look at each name that the synthesized templates claim."""
    for part in PARTS:
        yield _stack(deployment, part)
    own = {
        (each.type, name)
        for part in PARTS
        for each in stack_resources(deployment, part)
        for name in _names(each)
    }
    for part in PARTS:
        template = cdk.template(deployment.stack(part))
        for resource in template["Resources"].values():
            attribute, kind = _NAMED.get(resource["Type"], ("", ""))
            name = resource.get("Properties", {}).get(attribute)
            if isinstance(name, str):
                yield _name(deployment, kind, name, (resource["Type"], name) in own)
    endpoint = cdk.template(deployment.stack("training"))["Outputs"]["StagingEndpointName"]["Value"]
    yield _name(deployment, "endpoint", endpoint, deployment.deployed("training"))


def _names(resource: StackResource) -> set[str]:
    """Return what a resource may be called: its id, the end of its ARN, the name it was given."""
    attribute, _ = _NAMED.get(resource.type, ("", ""))
    given = resource.properties.get(attribute)
    known = {resource.physical_id, resource.physical_id.rpartition("/")[2]}
    return known | ({given} if isinstance(given, str) else set())


def _stack(deployment: Deployment, part: str) -> Finding:
    from botocore.exceptions import ClientError

    name = deployment.stack(part)
    try:
        stacks = deployment.target.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if not _is_absence(error):
            raise
        return Finding(f"stack {name}", OK, "the name is free")
    stack, project = stacks[0], deployment.project.name
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    if stack["StackStatus"] in _BROKEN:
        remedy = _BROKEN[stack["StackStatus"]].format(name)
        return Finding(f"stack {name}", FAIL, stack["StackStatus"], remedy)
    if tags.get("project", project) != project:
        found = f"is there, of project {tags['project']}"
        return Finding(f"stack {name}", FAIL, found, "choose another [project] name in mlops.toml")
    return Finding(f"stack {name}", OK, stack["StackStatus"])


def _name(deployment: Deployment, kind: str, name: str, own: bool) -> Finding:
    from botocore.exceptions import ClientError

    check = f"{kind} {name}"
    if own:
        return Finding(check, OK, "belongs to the stack")
    try:
        _LOOK[kind](deployment.target, name)
    except ClientError as error:
        if _is_absence(error):
            return Finding(check, OK, "the name is free")
        return Finding(check, WARN, f"could not look: {error}")
    remedy = f"delete it, choose another [project] name in mlops.toml{_SETTINGS.get(kind, '')}"
    return Finding(check, FAIL, "is there, and is not of this stack", remedy)


def _is_absence(error: Any) -> bool:
    code = str(error.response.get("Error", {}).get("Code", ""))
    return any(words in f"{code} {error}".lower() for words in _ABSENT)
