"""Pipelines build and test with CodeBuild: what builds are given, and what they leave."""

import io
import json
import zipfile
from typing import Any

import pytest

from tests.account.pipelines import Pipelines, action, execute, pipelines
from tests.account.roles import ANYTHING, create_role

__all__ = ["pipelines"]  # a fixture
GOOD = """
version: 0.2
env:
  exported-variables: [TAG, GIVEN]
phases:
  build:
    commands:
      - export TAG="tag-$(echo "$CODEBUILD_RESOLVED_SOURCE_VERSION" | cut -c1-7)"
      - cp deep/input.json train.json
      - test -z "${OTHER-}" || cp "$CODEBUILD_SRC_DIR_Built/train.json" second.json
artifacts:
  files: ['*.json']
"""
BAD = """
version: 0.2
phases:
  build:
    commands:
      - echo before
      - exit 3
"""


def _project(pipelines: Pipelines, name: str, buildspec: str) -> str:
    role = create_role(pipelines.account, "builds", "codebuild")
    pipelines.account.client("codebuild").create_project(
        name=name,
        source={"type": "CODEPIPELINE", "buildspec": buildspec},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=role,
    )
    return name


def _build(
    project: str,
    name: str = "Build",
    category: str = "Build",
    inputs: str = "SourceOutput",
    **more: Any,
) -> dict[str, Any]:
    configuration = {"ProjectName": project, **more.pop("configuration", {})}
    return action(
        name,
        f"{category}/CodeBuild",
        configuration=configuration,
        inputArtifacts=[{"name": each} for each in inputs.split()],
        **more,
    )


def _content(pipelines: Pipelines, run: dict[str, Any]) -> dict[str, bytes]:
    (artifact,) = run["output"]["outputArtifacts"]
    place = {"Bucket": artifact["s3location"]["bucket"], "Key": artifact["s3location"]["key"]}
    body = pipelines.account.client("s3").get_object(**place)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_build_has_the_source_and_leaves_artifacts_and_variables(pipelines: Pipelines) -> None:
    name = "builds"
    project = _project(pipelines, name, GOOD)
    given = [{"name": "GIVEN", "value": "#{codepipeline.PipelineExecutionId}"}]
    build = _build(
        project,
        namespace="Made",
        outputArtifacts=[{"name": "Built"}],
        configuration={"EnvironmentVariables": json.dumps(given)},
    )
    again = _build(
        project,
        "Again",
        inputs="SourceOutput Built",
        outputArtifacts=[{"name": "Second"}],
        configuration={
            "PrimarySource": "SourceOutput",
            "EnvironmentVariables": '[{"name": "OTHER", "value": "yes", "type": "PLAINTEXT"}]',
        },
    )
    run = execute(pipelines.machine(name), InputType="FilePath", Input="train.json") | {
        "inputArtifacts": [{"name": "Built"}]
    }
    tag = execute(pipelines.machine(f"{name}-tag"), "Tag", Input='"#{Made.TAG}/#{Made.GIVEN}"')
    execution = pipelines.create(name, [build], [again, run, tag])
    assert pipelines.ended(name, execution) == "Succeeded", pipelines.runs(name)[-1]["output"]
    runs = {each["actionName"]: each for each in pipelines.runs(name)}
    commit = runs["Fetch"]["output"]["outputVariables"]["CommitId"]
    assert runs["Build"]["output"]["outputVariables"] == {
        "TAG": f"tag-{commit[:7]}",
        "GIVEN": execution,
    }
    assert _content(pipelines, runs["Build"]) == {"train.json": b'{"from": "a file"}'}
    assert "second.json" in _content(pipelines, runs["Again"])
    assert pipelines.input_of(runs["Run"]) == {"from": "a file"}
    assert pipelines.input_of(runs["Tag"]) == f"tag-{commit[:7]}/{execution}"
    build_id = runs["Build"]["output"]["executionResult"]["externalExecutionId"]
    (found,) = pipelines.account.client("codebuild").batch_get_builds(ids=[build_id])["builds"]
    assert (found["initiator"], found["resolvedSourceVersion"]) == (f"codepipeline/{name}", commit)


def test_a_build_that_fails_says_where(pipelines: Pipelines) -> None:
    project = _project(pipelines, "breaks", BAD)
    build = _build(project, category="Test", outputArtifacts=[{"name": "Built"}])
    code, message = pipelines.error("breaks", pipelines.create("breaks", [build]))
    assert code == "JobFailed"
    assert message.startswith("Build terminated with state: FAILED")
    assert "exit 3" in message
    run = pipelines.runs("breaks")[-1]
    assert run["output"]["outputArtifacts"] == []
    assert run["output"]["executionResult"]["externalExecutionId"].startswith("breaks:")


def test_a_build_of_no_project(pipelines: Pipelines) -> None:
    execution = pipelines.create("no-project", [_build("no-such-project")])
    code, message = pipelines.error("no-project", execution)
    assert code == "ConfigurationError"
    assert message.startswith("Error calling startBuild: ")
    assert "no-such-project" in message


@pytest.mark.parametrize(
    ("right", "call"),
    [("codebuild:StartBuild", "startBuild"), ("codebuild:BatchGetBuilds", "batchGetBuilds")],
)
def test_a_role_that_may_not_build(pipelines: Pipelines, right: str, call: str) -> None:
    name = f"may-not-{call.lower()}"
    project = _project(pipelines, name, GOOD)
    denied = {"Effect": "Deny", "Action": right, "Resource": "*"}
    create_role(pipelines.account, "pipelines", "codepipeline", allow=[ANYTHING, denied])
    try:
        code, message = pipelines.error(name, pipelines.create(name, [_build(project)]))
    finally:
        create_role(pipelines.account, "pipelines", "codepipeline")
    assert code == "PermissionError"
    assert message.startswith(f"Error calling {call}: User: arn:aws:sts::123456789012:assumed-role")
    resource = f"arn:aws:codebuild:us-east-1:123456789012:project/{name}"
    assert f"is not authorized to perform: {right} on resource: {resource}" in message
    assert "(Service: AWSCodeBuild; Status Code: 400; Error Code: AccessDeniedException" in message
