"""Definitions of pipelines are refused as AWS refuses them, and templates make pipelines."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.pipelines import ROLE, Pipelines, action, approve, execute, pipelines, source
from tests.account.roles import create_role, document
from tests.account.stacks import change, outputs, resource

__all__ = ["pipelines"]  # a fixture
Definition = dict[str, Any]


def _build(name: str = "Build", order: int = 1, **configuration: str) -> dict[str, Any]:
    return action(
        name,
        "Build/CodeBuild",
        order,
        configuration={"ProjectName": "project", **configuration},
        inputArtifacts=[{"name": "SourceOutput"}],
    )


def _first(definition: Definition) -> dict[str, Any]:
    found: dict[str, Any] = definition["stages"][1]["actions"][0]
    return found


CASES: dict[str, tuple[Callable[[Definition], object], str]] = {
    "one stage": (
        lambda it: it["stages"].pop(),
        "InvalidStructureException.*Pipeline has only 1 stage.s.. There should be a minimum of 2",
    ),
    "the first stage builds": (
        lambda it: it["stages"].reverse(),
        "InvalidStructureException.*should start with a stage that only contains source actions",
    ),
    "a later stage fetches": (
        lambda it: it["stages"][1]["actions"].append({**source("r"), "name": "Again"}),
        r"InvalidStructureException.*only allowed in the first stage.*Again.*stages\[1\]",
    ),
    "two stages of a name": (
        lambda it: it["stages"][1].update(name="Source"),
        "InvalidStructureException.*Source has been used more than once",
    ),
    "two actions of a name": (
        lambda it: it["stages"][1]["actions"].append(_build()),
        "InvalidStageDeclarationException.*Build has been used more than once",
    ),
    "an artifact that nothing makes": (
        lambda it: _first(it).update(inputArtifacts=[{"name": "Nothing"}]),
        "InvalidActionDeclarationException.*Input Artifact Bundle Nothing in action Build is not "
        "declared as Output Artifact Bundle in any of the preceding actions",
    ),
    "an artifact that is made later": (
        lambda it: (
            _first(it).update(inputArtifacts=[{"name": "Late"}]),
            it["stages"][1]["actions"].append(
                {**_build("Later"), "outputArtifacts": [{"name": "Late"}]}
            ),
        ),
        "InvalidActionDeclarationException.*Input Artifact Bundle Late in action Build",
    ),
    "an artifact that is made twice": (
        lambda it: _first(it).update(outputArtifacts=[{"name": "SourceOutput"}]),
        "InvalidActionDeclarationException.*SourceOutput has been used more than once",
    ),
    "a build of nothing": (
        lambda it: _first(it).update(inputArtifacts=[]),
        r"InvalidActionDeclarationException.*Action Build declares 0 input artifacts which is less "
        r"than the minimum count \(1\)",
    ),
    "a build of no project": (
        lambda it: _first(it).update(configuration={}),
        "InvalidActionDeclarationException.*action 'Build' is missing required configuration "
        "'ProjectName'",
    ),
    "a configuration of no action": (
        lambda it: _first(it)["configuration"].update(Colour="red"),
        "InvalidActionDeclarationException.*'Build' contains unknown configuration 'Colour'",
    ),
    "variables of a build that are no JSON": (
        lambda it: _first(it)["configuration"].update(EnvironmentVariables="a=b"),
        "InvalidActionDeclarationException.*EnvironmentVariables must be a JSON array",
    ),
    "a primary source of no input": (
        lambda it: _first(it)["configuration"].update(PrimarySource="Other"),
        "InvalidActionDeclarationException.*PrimarySource Other is none of the input artifacts",
    ),
    "an unknown type of action": (
        lambda it: _first(it)["actionTypeId"].update(provider="Nobody"),
        r"InvalidActionDeclarationException.*ActionType \(Category: 'Build', Provider: 'Nobody', "
        r"Owner: 'AWS', Version: '1'\) in action 'Build' is not available in region 'US_EAST_1'",
    ),
    "a type of action that is not modelled": (
        lambda it: _first(it)["actionTypeId"].update(category="Deploy", provider="ECS"),
        r"UnsupportedOperation.*Deploy actions of ECS \(of pipeline.stages\[1\].actions\[0\]\)",
    ),
    "polling": (
        lambda it: it["stages"][0]["actions"][0]["configuration"].pop("PollForSourceChanges"),
        "UnsupportedOperation.*PollForSourceChanges other than false",
    ),
    "a namespace twice": (
        lambda it: [each["actions"][0].update(namespace="Same") for each in it["stages"]],
        "InvalidActionDeclarationException.*Same has been used more than once",
    ),
    "a variable of nobody": (
        lambda it: _first(it)["configuration"].update(
            EnvironmentVariables='[{"name": "A", "value": "#{Nobody.A}"}]'
        ),
        r"InvalidActionDeclarationException.*StageName=\[Stage1\], ActionName=\[Build\], "
        r"ActionConfigurationKey=\[EnvironmentVariables\], VariableReferenceText=\[Nobody.A\]",
    ),
    "a queue in V1": (
        lambda it: it.update(executionMode="QUEUED"),
        "InvalidStructureException.*QUEUED can only be used with V2 pipelines",
    ),
    "a condition": (
        lambda it: it["stages"][1].update(onFailure={"result": "ROLLBACK"}),
        r"UnsupportedOperation.*onFailure \(of pipeline.stages\[1\]\)",
    ),
    "no store": (
        lambda it: it.pop("artifactStore"),
        "InvalidStructureException.*must have an artifactStore",
    ),
    "a role that may not be taken": (
        lambda it: it.update(roleArn="arn:aws:iam::123456789012:role/no-such-role"),
        "InvalidStructureException.*CodePipeline is not authorized to perform AssumeRole on role",
    ),
    "another region": (
        lambda it: _first(it).update(region="eu-west-1"),
        "UnsupportedOperation.*the region eu-west-1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_definition_that_is_wrong_is_refused(pipelines: Pipelines, case: str) -> None:
    spoil, words = CASES[case]
    good = pipelines.definition("refused", [_build()])
    asked = copy.deepcopy(good)
    spoil(asked)
    with pytest.raises(ClientError, match=words):
        pipelines.api.create_pipeline(pipeline=asked)
    with pytest.raises(ClientError, match="PipelineNotFoundException"):
        pipelines.api.get_pipeline(name="refused")


def test_a_change_that_is_wrong_changes_nothing(pipelines: Pipelines) -> None:
    pipelines.create("stays", [approve()])
    asked = pipelines.definition("stays", [approve()])
    asked["stages"].pop()
    with pytest.raises(ClientError, match="InvalidStructureException"):
        pipelines.api.update_pipeline(pipeline=asked)
    assert pipelines.api.get_pipeline(name="stays")["pipeline"]["version"] == 1
    asked["name"] = "no-such-pipeline"
    with pytest.raises(ClientError, match="PipelineNotFoundException"):
        pipelines.api.update_pipeline(pipeline=asked)


def test_what_is_kept_has_the_defaults_of_aws(pipelines: Pipelines) -> None:
    asked = pipelines.definition("defaults", [approve()])
    del asked["stages"][1]["actions"][0]["runOrder"]
    del asked["stages"][1]["actions"][0]["configuration"]
    kept = pipelines.api.create_pipeline(pipeline=asked)["pipeline"]
    assert (kept["version"], kept["pipelineType"], kept["executionMode"]) == (1, "V1", "SUPERSEDED")
    assert kept["stages"][1]["actions"][0] == {
        "name": "Approve",
        "actionTypeId": asked["stages"][1]["actions"][0]["actionTypeId"],
        "runOrder": 1,
        "configuration": {},
        "inputArtifacts": [],
        "outputArtifacts": [],
    }
    with pytest.raises(ClientError, match="PipelineNameInUseException"):
        pipelines.api.create_pipeline(pipeline=asked)


def test_an_operation_that_is_not_modelled_is_refused_by_name(pipelines: Pipelines) -> None:
    with pytest.raises(ClientError, match="does not model codepipeline:ListActionTypes"):
        pipelines.api.list_action_types()


def _template(pipelines: Pipelines, machine: str, **more: Any) -> dict[str, Any]:
    def declared(name: str, provider: str, configuration: dict[str, Any], **rest: Any) -> Any:
        category, _, service = provider.partition("/")
        asked = {"Category": category, "Owner": "AWS", "Provider": service, "Version": "1"}
        return {"Name": name, "ActionTypeId": asked, "Configuration": configuration, **rest}

    fetch = declared(
        "Fetch",
        "Source/CodeCommit",
        {
            "RepositoryName": pipelines.repository,
            "BranchName": "main",
            "PollForSourceChanges": False,
        },
        OutputArtifacts=[{"Name": "SourceOutput"}],
        RunOrder="1",
    )
    run = declared("Run", "Invoke/StepFunctions", {"StateMachineArn": machine, "Input": "{}"})
    pipeline = resource(
        "AWS::CodePipeline::Pipeline",
        Name="of-a-stack",
        RoleArn=ROLE,
        ArtifactStore={"Type": "S3", "Location": pipelines.bucket},
        Stages=[{"Name": "Source", "Actions": [fetch]}, {"Name": "Run", "Actions": [run]}],
        PipelineType="V2",
        Tags=[{"Key": "k", "Value": "v"}],
        **more,
    )
    named = {"Name": {"Value": {"Ref": "It"}}}
    version = {"Version": {"Value": {"Fn::GetAtt": ["It", "Version"]}}}
    return {"Resources": {"It": pipeline}, "Outputs": {**named, **version}}


def test_a_pipeline_of_a_template(pipelines: Pipelines) -> None:
    account, machine = pipelines.account, pipelines.machine("of-a-stack")
    stack = change(account, "pipelines", _template(pipelines, machine), "CREATE")
    assert (stack["StackStatus"], outputs(stack)) == (
        "CREATE_COMPLETE",
        {"Name": "of-a-stack", "Version": "1"},
    )
    listed = pipelines.api.list_pipeline_executions(pipelineName="of-a-stack")
    (first,) = listed["pipelineExecutionSummaries"]
    assert pipelines.ended("of-a-stack", first["pipelineExecutionId"]) == "Succeeded"
    arn = pipelines.api.get_pipeline(name="of-a-stack")["metadata"]["pipelineArn"]
    tags = pipelines.api.list_tags_for_resource(resourceArn=arn)
    assert {"key": "k", "value": "v"} in tags["tags"]
    stack = change(account, "pipelines", _template(pipelines, machine, ExecutionMode="QUEUED"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    kept = pipelines.api.get_pipeline(name="of-a-stack")["pipeline"]
    assert (kept["version"], kept["executionMode"]) == (2, "QUEUED")
    assert len(pipelines.runs("of-a-stack")) == 2  # nothing was started
    more = {"ExecutionMode": "SUPERSEDED", "RestartExecutionOnUpdate": True}
    change(account, "pipelines", _template(pipelines, machine, **more))
    listed = pipelines.api.list_pipeline_executions(pipelineName="of-a-stack")
    newest, _ = listed["pipelineExecutionSummaries"]
    assert pipelines.ended("of-a-stack", newest["pipelineExecutionId"]) == "Succeeded"
    account.client("cloudformation").delete_stack(StackName="pipelines")
    with pytest.raises(ClientError, match="PipelineNotFoundException"):
        pipelines.api.get_pipeline(name="of-a-stack")


def test_a_role_that_trusts_one_pipeline_is_of_no_use_to_another(pipelines: Pipelines) -> None:
    role = create_role(pipelines.account, "of-one-pipeline", "codepipeline")
    arn = "arn:aws:codepipeline:us-east-1:123456789012:trusted"
    condition = {"StringEquals": {"aws:SourceArn": arn, "aws:SourceAccount": "123456789012"}}
    trust = document({"Action": "sts:AssumeRole", "Condition": condition}, "codepipeline")
    iam = pipelines.account.client("iam")
    iam.update_assume_role_policy(RoleName="of-one-pipeline", PolicyDocument=trust)
    stage = [execute(pipelines.machine("trusted"))]
    with pytest.raises(ClientError, match="CodePipeline is not authorized to perform AssumeRole"):
        pipelines.create("untrusted", stage, roleArn=role)
    execution = pipelines.create("trusted", stage, roleArn=role)
    assert pipelines.ended("trusted", execution) == "Succeeded"
