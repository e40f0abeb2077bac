"""CodePipeline."""

import json
from typing import Any

import pytest

from tests.contract.account import Aws, refused

Definition = dict[str, Any]


def _action(category: str, provider: str, configuration: dict[str, str], **more: Any) -> Definition:
    asked = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": provider, "actionTypeId": asked, "configuration": configuration, **more}


def _definition(aws: Aws) -> Definition:
    """Return the definition of a pipeline that fetches a commit and waits for an approval."""
    repository, codecommit = aws.name("repository"), aws.client("codecommit")
    arn = codecommit.create_repository(repositoryName=repository)["repositoryMetadata"]["Arn"]
    aws.later(codecommit.delete_repository, repositoryName=repository)
    commit = {"filePath": "a.txt", "fileContent": b"1", "commitMessage": "first"}
    codecommit.put_file(repositoryName=repository, branchName="main", **commit)
    reads = ["codecommit:Get*", "codecommit:UploadArchive"]
    writes = f"arn:aws:s3:::{aws.bucket}/*"
    role = aws.role("codepipeline.amazonaws.com", (reads, arn), ("s3:PutObject", writes))
    fetched = {
        "RepositoryName": repository,
        "BranchName": "main",
        "PollForSourceChanges": "false",
    }
    fetch = _action("Source", "CodeCommit", fetched, outputArtifacts=[{"name": "Source"}])
    return {
        "name": aws.name("pipeline"),
        "roleArn": role,
        "artifactStore": {"type": "S3", "location": aws.bucket},
        "stages": [
            {"name": "Fetch", "actions": [fetch]},
            {"name": "Ask", "actions": [_action("Approval", "Manual", {})]},
        ],
    }


def _made(aws: Aws, definition: Definition) -> dict[str, str]:
    """Create a pipeline, and return its name as a parameter."""
    api, name = aws.client("codepipeline"), definition["name"]
    aws.later(api.delete_pipeline, name=name)
    api.create_pipeline(pipeline=definition, tags=[{"key": "a", "value": "1"}])
    return {"pipelineName": name}


def _asked(aws: Aws, name: str) -> tuple[str, str]:
    """Wait until an execution asks for approval; return its id and the token."""

    def asked() -> tuple[str, str] | None:
        ask = aws.client("codepipeline").get_pipeline_state(name=name)["stageStates"][1]
        run = ask["actionStates"][0].get("latestExecution", {})
        token = run.get("token")
        return (ask["latestExecution"]["pipelineExecutionId"], token) if token else None

    found: tuple[str, str] = aws.until(asked)
    return found


def _ended(aws: Aws, pipeline: dict[str, str], execution: str, status: str) -> dict[str, Any]:
    """Wait until an execution has a status."""

    def ended() -> dict[str, Any] | None:
        answer = aws.client("codepipeline").get_pipeline_execution(
            **pipeline, pipelineExecutionId=execution
        )
        found: dict[str, Any] = answer["pipelineExecution"]
        return found if found["status"] == status else None

    execution_found: dict[str, Any] = aws.until(ended)
    return execution_found


@pytest.mark.contract(
    *("codepipeline:CreatePipeline", "codepipeline:GetPipeline", "codepipeline:UpdatePipeline"),
    *("codepipeline:ListPipelines", "codepipeline:DeletePipeline", "codepipeline:TagResource"),
    *("codepipeline:UntagResource", "codepipeline:ListTagsForResource"),
)
def test_a_pipeline_from_creation_to_deletion(aws: Aws) -> None:
    api, definition = aws.client("codepipeline"), _definition(aws)
    name = _made(aws, definition)["pipelineName"]
    found = api.get_pipeline(name=name)
    kept = found["pipeline"]
    assert (kept["version"], kept["stages"][1]["actions"][0]["runOrder"]) == (1, 1)
    assert refused(api.create_pipeline, pipeline=definition) == "PipelineNameInUseException"
    lonely = {**definition, "stages": definition["stages"][:1]}
    assert refused(api.update_pipeline, pipeline=lonely) == "InvalidStructureException"
    broken = json.loads(json.dumps(definition))
    broken["stages"][0]["actions"][0]["configuration"]["Colour"] = "red"
    assert refused(api.update_pipeline, pipeline=broken) == "InvalidActionDeclarationException"
    definition["stages"][1]["name"] = "Other"
    assert api.update_pipeline(pipeline=definition)["pipeline"]["version"] == 2
    assert api.get_pipeline(name=name, version=1)["pipeline"]["stages"][1]["name"] == "Ask"
    pages = api.get_paginator("list_pipelines").paginate()
    assert name in [each["name"] for page in pages for each in page["pipelines"]]
    arn = {"resourceArn": found["metadata"]["pipelineArn"]}
    api.tag_resource(**arn, tags=[{"key": "b", "value": "2"}])
    api.untag_resource(**arn, tagKeys=["a"])
    assert api.list_tags_for_resource(**arn)["tags"] == [{"key": "b", "value": "2"}]
    api.delete_pipeline(name=name)
    assert refused(api.get_pipeline, name=name) == "PipelineNotFoundException"


@pytest.mark.contract(
    *("codepipeline:StartPipelineExecution", "codepipeline:GetPipelineExecution"),
    *("codepipeline:ListPipelineExecutions", "codepipeline:GetPipelineState"),
    *("codepipeline:ListActionExecutions", "codepipeline:PutApprovalResult"),
)
def test_executions_that_are_approved_and_superseded(aws: Aws) -> None:
    api, pipeline = aws.client("codepipeline"), _made(aws, _definition(aws))
    name = pipeline["pipelineName"]
    first, token = _asked(aws, name)
    second = api.start_pipeline_execution(name=name)["pipelineExecutionId"]

    def waits() -> bool:
        ask = api.get_pipeline_state(name=name)["stageStates"][1]
        return bool(ask.get("inboundExecution", {}).get("pipelineExecutionId") == second)

    aws.until(waits)
    third = api.start_pipeline_execution(name=name)["pipelineExecutionId"]
    _ended(aws, pipeline, second, "Superseded")
    result = {"status": "Approved", "summary": "fine"}
    answer = {**pipeline, "stageName": "Ask", "actionName": "Manual", "result": result}
    wrong = "00000000-0000-0000-0000-000000000000"
    assert refused(api.put_approval_result, **answer, token=wrong) == (
        "InvalidApprovalTokenException"
    )
    api.put_approval_result(**answer, token=token)
    found = _ended(aws, pipeline, first, "Succeeded")
    assert found["trigger"]["triggerType"] == "CreatePipeline"
    assert [each["name"] for each in found["artifactRevisions"]] == ["Source"]
    runs = api.list_action_executions(**pipeline, filter={"pipelineExecutionId": first})
    newest, oldest = runs["actionExecutionDetails"]
    assert (newest["actionName"], oldest["actionName"]) == ("Manual", "CodeCommit")
    commit = found["artifactRevisions"][0]["revisionId"]
    assert oldest["output"]["outputVariables"]["CommitId"] == commit
    listed = api.list_pipeline_executions(**pipeline)["pipelineExecutionSummaries"]
    assert [each["pipelineExecutionId"] for each in listed] == [third, second, first]


@pytest.mark.contract("codepipeline:StopPipelineExecution", "codepipeline:RetryStageExecution")
def test_an_execution_that_is_stopped_and_repeated(aws: Aws) -> None:
    api, pipeline = aws.client("codepipeline"), _made(aws, _definition(aws))
    first, _ = _asked(aws, pipeline["pipelineName"])
    execution = {**pipeline, "pipelineExecutionId": first}
    api.stop_pipeline_execution(**execution, abandon=True, reason="enough")
    _ended(aws, pipeline, first, "Stopped")
    assert refused(api.stop_pipeline_execution, **execution) == (
        "PipelineExecutionNotStoppableException"
    )
    repeated = {**execution, "stageName": "Ask", "retryMode": "FAILED_ACTIONS"}
    assert refused(api.retry_stage_execution, **{**repeated, "stageName": "No"}) == (
        "StageNotFoundException"
    )
    api.retry_stage_execution(**repeated)
    again, token = _asked(aws, pipeline["pipelineName"])
    assert again == first
    api.put_approval_result(
        **pipeline,
        stageName="Ask",
        actionName="Manual",
        token=token,
        result={"status": "Rejected", "summary": "no"},
    )
    _ended(aws, pipeline, first, "Failed")
