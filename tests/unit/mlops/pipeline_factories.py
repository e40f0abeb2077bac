"""A code pipeline as CodePipeline and CodeBuild tell of it, each answer held to their models."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import botocore.session
from botocore.validate import validate_parameters

from mlops.pipeline_history import PipelineExecution
from mlops.project import Project
from mlops.target import Deployment, Target
from tests.conftest import ROOT
from tests.unit.mlops.factories import START

PIPELINE = "TrainDeployModelPipeline"
COMMIT = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567"
FIRST = "1a2b3c4d-0000-4000-8000-000000000001"
SECOND = "5e6f7a8b-0000-4000-8000-000000000002"
BUILD_ID = "example-build:11111111-2222-3333-4444-555555555555"
RUN_ARN = "arn:aws:states:us-east-1:123456789012:execution:machine:v1-0-code"


def answer(service: str, operation: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return a service's answer, if it can be one."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).output_shape
    assert shape is not None
    validate_parameters(document, shape)
    return document


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def summary(
    execution_id: str = FIRST, status: str = "Succeeded", commit: str = COMMIT, **more: Any
) -> dict[str, Any]:
    """Make what lists say of an execution."""
    revision = {"actionName": "Source", "revisionId": commit, "revisionSummary": "Mend it\n\nwhy"}
    return {
        "pipelineExecutionId": execution_id,
        "status": status,
        "startTime": START,
        "lastUpdateTime": at(20),
        "sourceRevisions": [revision] if commit else [],
        "trigger": {"triggerType": "CloudWatchEvent", "triggerDetail": "arn"},
        **more,
    }


def action(
    stage: str,
    seconds: float,
    status: str = "Succeeded",
    provider: str = "CodeBuild",
    **result: Any,
) -> dict[str, Any]:
    """Make one action's execution; `result` is its executionResult."""
    kind = {"category": "Build", "owner": "AWS", "provider": provider, "version": "1"}
    return {
        "pipelineExecutionId": FIRST,
        "actionExecutionId": f"{stage}-{seconds}",
        "stageName": stage,
        "actionName": stage,
        "startTime": at(seconds),
        "lastUpdateTime": at(seconds + 3),
        "status": status,
        "input": {"actionTypeId": kind},
        "output": {"executionResult": result},
    }


def build(status: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    """Make a build; `more` replaces parts of it."""
    return {
        "id": BUILD_ID,
        "projectName": "example-build",
        "buildStatus": status,
        "currentPhase": "COMPLETED",
        "startTime": START,
        "endTime": at(61),
        "phases": [{"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"}],
        "logs": {"groupName": "/aws/codebuild/example-build", "streamName": "s"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "i",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        **more,
    }


def failed_build() -> dict[str, Any]:
    message = "Error while executing command: pytest.\nReason: exit status 1"
    context = {"statusCode": "COMMAND_EXECUTION_ERROR", "message": message}
    phase = {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [context]}
    done = {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED", "contexts": []}
    return build("FAILED", phases=[done, phase])


class CodePipeline:
    """CodePipeline with executions, the newest first; what is asked of it is kept."""

    def __init__(self, *executions: Any, actions: Any = (), state: Any = None) -> None:
        self.executions, self.actions, self.state = list(executions), list(actions), state
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, f"_{name}"))

    def _list_pipeline_executions(self, **request: Any) -> Any:
        assert request["pipelineName"] == PIPELINE
        document = {"pipelineExecutionSummaries": self.executions}
        yield answer("codepipeline", "ListPipelineExecutions", document)

    def _list_action_executions(self, **request: Any) -> Any:
        assert request["filter"]["pipelineExecutionId"]
        newest_first = list(reversed(self.actions))
        document = {"actionExecutionDetails": newest_first}
        yield answer("codepipeline", "ListActionExecutions", document)

    def get_pipeline_state(self, **request: Any) -> Any:
        return answer("codepipeline", "GetPipelineState", self.state)

    def get_pipeline_execution(self, **request: Any) -> Any:
        execution = {"status": self.executions[0]["status"]}
        return answer("codepipeline", "GetPipelineExecution", {"pipelineExecution": execution})

    def get_pipeline(self, name: str) -> Any:
        kind = {"category": "Source", "owner": "AWS", "provider": "CodeCommit", "version": "1"}
        source = {"name": "Code", "actionTypeId": kind}
        stages = [{"name": "Source", "actions": [source]}]
        pipeline = {"name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "stages": stages}
        return answer("codepipeline", "GetPipeline", {"pipeline": pipeline})

    def start_pipeline_execution(self, **request: Any) -> Any:
        self.asked.append(("start", request))
        self.executions.insert(0, summary(SECOND, "InProgress", commit=""))
        started = {"pipelineExecutionId": SECOND}
        return answer("codepipeline", "StartPipelineExecution", started)

    def stop_pipeline_execution(self, **request: Any) -> None:
        self.asked.append(("stop", request))
        self.executions[0] = {**self.executions[0], "status": "Stopped"}

    def retry_stage_execution(self, **request: Any) -> None:
        self.asked.append(("retry", request))
        self.executions[0] = {**self.executions[0], "status": "InProgress"}

    def put_approval_result(self, **request: Any) -> None:
        self.asked.append(("answer", request))


class CodeBuild:
    """CodeBuild with builds by their ids."""

    def __init__(self, *builds: dict[str, Any]) -> None:
        self.builds = {each["id"]: each for each in builds}
        self.stopped: list[str] = []

    def batch_get_builds(self, ids: list[str]) -> Any:
        found = [self.builds[each] for each in ids if each in self.builds]
        return answer("codebuild", "BatchGetBuilds", {"builds": found})

    def list_builds_for_project(self, projectName: str, sortOrder: str) -> Any:
        ids = [each["id"] for each in self.builds.values() if each["projectName"] == projectName]
        # the service leaves an empty list out
        return answer("codebuild", "ListBuildsForProject", {"ids": ids} if ids else {})

    def stop_build(self, id: str) -> None:
        self.stopped.append(id)
        self.builds[id] = {**self.builds[id], "buildStatus": "STOPPED"}


class Logs:
    """CloudWatch Logs with one stream: ninety lines of a build's, then ten of CodeBuild's."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def get_log_events(self, **request: Any) -> Any:
        assert request["logStreamName"] == "s"
        events = [{"message": f"line {number}\n"} for number in range(90)]
        events += [{"message": "[Container] 2026/11/21 Phase complete\n"}] * 10
        return answer("logs", "GetLogEvents", {"events": events[-request["limit"] :]})


def deployment(pipeline: Any = None, *builds: dict[str, Any], **clients: Any) -> Deployment:
    """Make a deployment with all three stacks."""
    outputs = {
        "PipelineName": PIPELINE,
        "RepositoryName": "ModelCode",
        "CloneUrlHttp": "http://127.0.0.1:1/v1/repos/ModelCode",
        "TestProjectName": "example-test",
        "BuildProjectName": "example-build",
    }
    known: dict[str, Any] = {
        "stack_outputs": {"example-dev-model-code": outputs}.get,
        "codepipeline": pipeline,
        "codebuild": CodeBuild(*builds),
        "logs": Logs(),
        "poll_seconds": 0.0,
        "embedded": True,
    }
    target = SimpleNamespace(**{**known, **clients})
    return Deployment(Project(ROOT, "example"), "dev", cast("Target", target))


def execution(status: str = "Succeeded", execution_id: str = FIRST) -> PipelineExecution:
    """Make an execution as the command line knows it."""
    return PipelineExecution(
        execution_id, status, COMMIT, "Mend it", "CloudWatchEvent", START, at(20)
    )
