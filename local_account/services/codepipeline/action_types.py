"""The types of actions that pipelines may have: their configuration and their artifacts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_account.service import ServiceError
from local_account.services.codepipeline.records import Record


@dataclass(frozen=True)
class ActionType:
    """What actions of one type declare; numbers of artifacts are the least and the most."""

    required: frozenset[str]
    optional: frozenset[str]
    inputs: tuple[int, int]
    outputs: tuple[int, int]


def _type(
    required: str, optional: str, inputs: tuple[int, int], outputs: tuple[int, int]
) -> ActionType:
    return ActionType(frozenset(required.split()), frozenset(optional.split()), inputs, outputs)


_CODEBUILD = _type(
    "ProjectName",
    "PrimarySource EnvironmentVariables BatchEnabled CombineArtifacts",
    (1, 5),
    (0, 5),
)
ACTION_TYPES = {
    ("Source", "CodeCommit"): _type(
        "RepositoryName BranchName", "PollForSourceChanges OutputArtifactFormat", (0, 0), (1, 1)
    ),
    ("Source", "CodeStarSourceConnection"): _type(
        "ConnectionArn FullRepositoryId BranchName",
        "OutputArtifactFormat DetectChanges",
        (0, 0),
        (1, 1),
    ),
    ("Build", "CodeBuild"): _CODEBUILD,
    ("Test", "CodeBuild"): _CODEBUILD,
    ("Invoke", "StepFunctions"): _type(
        "StateMachineArn", "Input InputType ExecutionNamePrefix", (0, 1), (0, 1)
    ),
    ("Approval", "Manual"): _type(
        "", "CustomData NotificationArn ExternalEntityLink", (0, 0), (0, 0)
    ),
}
_OF_AWS_ALONE = {
    "Source": "ECR GitHub S3",
    "Build": "ECRBuildAndPublish Jenkins",
    "Test": "DeviceFarm Jenkins",
    "Deploy": "AppConfig CloudFormation CloudFormationStackInstances CloudFormationStackSet "
    "CodeDeploy CodeDeployToECS EC2 ECS EKS ElasticBeanstalk Lambda OpsWorks S3 ServiceCatalog",
    "Invoke": "CodePipeline InspectorScan Lambda",
    "Compute": "Commands",
}


def invalid_action(message: str) -> ServiceError:
    """Return the error of an action that AWS refuses."""
    return ServiceError("InvalidActionDeclarationException", message)


def unmodelled(what: str, where: str) -> ServiceError:
    """Return the error of something that AWS has and the account does not."""
    message = f"The embedded account does not model {what} (of {where}); leave it out."
    return ServiceError("UnsupportedOperation", message, 501)


def check_action(action: Record, region: str, path: str) -> None:
    """Refuse an action whose type, configuration or number of artifacts is not as AWS wants it.

    Raises
    ------
    ServiceError
        In AWS's words, or by name where AWS has it and the account does not.
    """
    kind, name = _type_of(action, region, path), action["name"]
    configuration = action.get("configuration", {})
    for key in sorted(kind.required - configuration.keys()):
        raise invalid_action(
            f"Action configuration for action '{name}' is missing required configuration '{key}'"
        )
    for key in sorted(configuration.keys() - kind.required - kind.optional):
        raise invalid_action(
            f"Action configuration for action '{name}' contains unknown configuration '{key}'"
        )
    for noun, (least, most) in (("input", kind.inputs), ("output", kind.outputs)):
        number = len(action.get(f"{noun}Artifacts", []))
        declared = f"Action {name} declares {number} {noun} artifacts which is"
        if number < least:
            raise invalid_action(f"{declared} less than the minimum count ({least})")
        if number > most:
            raise invalid_action(f"{declared} greater than the maximum count ({most})")
    for what in _unmodelled(action):
        raise unmodelled(what, path)
    for problem in _problems(action):
        raise invalid_action(f"Action configuration for action '{name}' is not valid: {problem}")


def _type_of(action: Record, region: str, path: str) -> ActionType:
    asked = action["actionTypeId"]
    category, provider = asked["category"], asked["provider"]
    found = ACTION_TYPES.get((category, provider))
    if found and (asked["owner"], asked["version"]) == ("AWS", "1"):
        return found
    if asked["owner"] == "AWS" and provider in _OF_AWS_ALONE.get(category, "").split():
        raise unmodelled(f"{category} actions of {provider}", path)
    raise invalid_action(
        f"ActionType (Category: '{category}', Provider: '{provider}', Owner: '{asked['owner']}', "
        f"Version: '{asked['version']}') in action '{action['name']}' is not available in region "
        f"'{region.upper().replace('-', '_')}'"
    )


def _unmodelled(action: Record) -> Iterator[str]:
    configuration = action.get("configuration", {})
    provider = action["actionTypeId"]["provider"]
    if provider == "CodeCommit" and configuration.get("PollForSourceChanges", "true") != "false":
        yield "PollForSourceChanges other than false, which is not the default"
    form = configuration.get("OutputArtifactFormat", "CODE_ZIP")
    if provider == "CodeCommit" and form != "CODE_ZIP":
        yield f"OutputArtifactFormat {form}"
    if "true" in (configuration.get("BatchEnabled"), configuration.get("CombineArtifacts")):
        yield "batch builds"
    if provider == "StepFunctions" and action.get("outputArtifacts"):
        yield "output artifacts of Step Functions"
    for member in ("commands", "environmentVariables", "outputVariables"):
        if action.get(member):
            yield member
    if any(output.get("files") for output in action.get("outputArtifacts", [])):
        yield "files of output artifacts"


def _problems(action: Record) -> Iterator[str]:
    configuration = action.get("configuration", {})
    inputs = [artifact["name"] for artifact in action.get("inputArtifacts", [])]
    if action["actionTypeId"]["provider"] == "CodeBuild":
        primary = configuration.get("PrimarySource")
        if primary is None and len(inputs) > 1:
            yield "PrimarySource is required where there is more than one input artifact"
        if primary is not None and primary not in inputs:
            yield f"PrimarySource {primary} is none of the input artifacts {inputs}"
        variables = configuration.get("EnvironmentVariables", "[]")
        if "#{" not in variables and (problem := variables_problem(variables)):
            yield problem
    if configuration.get("InputType", "Literal") not in ("Literal", "FilePath"):
        yield f"InputType is {configuration['InputType']}, expected Literal or FilePath"
    if configuration.get("InputType") == "FilePath" and not (inputs and configuration.get("Input")):
        yield "InputType FilePath needs Input and an input artifact"


def variables_problem(text: str) -> str:
    """Return what is wrong with a build action's EnvironmentVariables, or nothing."""
    wanted = "EnvironmentVariables must be a JSON array of objects with name, value and type"
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        return f"{wanted}: {error}"
    known = {"name", "value", "type"}
    well_formed = isinstance(found, list) and all(
        isinstance(each, dict)
        and {"name", "value"} <= each.keys() <= known
        and all(isinstance(value, str) for value in each.values())
        for each in found
    )
    return "" if well_formed else f"{wanted}, found {text}"
