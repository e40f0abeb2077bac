"""Approvals, stops and rights that are missing: how actions and executions of pipelines end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.service import Account
from local_account.services.codepipeline.executions import Executions
from local_account.services.codepipeline.records import Result
from tests.account.pipelines import PASS, ROLE, Pipelines, approve, execute, pipelines, source
from tests.account.roles import ANYTHING, create_role
from tests.account.sagemaker_fixture import until
from tests.account.workloads import queue

__all__ = ["pipelines"]  # a fixture


def _refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_a_rejection_fails_the_action(pipelines: Pipelines) -> None:
    execution = pipelines.create("rejected", [approve()])
    token = pipelines.within("rejected", 1, execution)
    pipelines.answer("rejected", token, status="Rejected", summary="too slow")
    code, message = pipelines.error("rejected", execution)
    assert code == "JobFailed"
    assert message == "Rejected by arn:aws:iam::123456789012:root: too slow"
    (state,) = pipelines.stage("rejected", 1)["actionStates"]
    assert state["latestExecution"]["summary"] == "too slow"
    assert "token" not in state["latestExecution"]


def test_an_approval_counts_once_and_with_its_token(pipelines: Pipelines) -> None:
    execution = pipelines.create("once", [approve()])
    token = pipelines.within("once", 1, execution)
    with _refused("InvalidApprovalTokenException"):
        pipelines.answer("once", "00000000-0000-0000-0000-000000000000")
    pipelines.answer("once", token)
    with _refused("ApprovalAlreadyCompletedException"):
        pipelines.answer("once", token)
    with _refused("StageNotFoundException"):
        pipelines.answer("once", token, stage="Nowhere")
    with _refused("ActionNotFoundException"):
        pipelines.answer("once", token, stage="Source")
    assert pipelines.ended("once", execution) == "Succeeded"


def test_who_is_to_approve_is_told(pipelines: Pipelines) -> None:
    account = pipelines.account
    url, arn = queue(account, "approvals")
    topic = account.client("sns").create_topic(Name="approvals")["TopicArn"]
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    ask = approve(NotificationArn=topic, CustomData="look at #{codepipeline.PipelineExecutionId}")
    execution = pipelines.create("asks", [ask])
    answer = account.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=10)
    told = json.loads(json.loads(answer["Messages"][0]["Body"])["Message"])["approval"]
    assert told["customData"] == f"look at {execution}"
    assert (told["pipelineName"], told["stageName"], told["actionName"]) == (
        "asks", "Stage1", "Approve",
    )  # fmt: skip
    pipelines.answer("asks", told["token"])
    assert pipelines.ended("asks", execution) == "Succeeded"


def test_a_stop_waits_for_the_actions_in_progress(pipelines: Pipelines) -> None:
    execution = pipelines.create("stops", [approve(), approve("Never", 2)])
    token = pipelines.within("stops", 1, execution)
    asked = {"pipelineName": "stops", "pipelineExecutionId": execution}
    pipelines.api.stop_pipeline_execution(**asked, reason="enough")
    assert pipelines.execution("stops", execution)["status"] == "Stopping"
    with _refused("DuplicatedStopRequestException"):
        pipelines.api.stop_pipeline_execution(**asked)
    pipelines.answer("stops", token)
    assert pipelines.ended("stops", execution) == "Stopped"
    assert [run["actionName"] for run in pipelines.runs("stops")] == ["Fetch", "Approve"]
    (listed,) = pipelines.api.list_pipeline_executions(pipelineName="stops")[
        "pipelineExecutionSummaries"
    ]
    assert listed["stopTrigger"] == {"reason": "enough"}
    with _refused("PipelineExecutionNotStoppableException"):
        pipelines.api.stop_pipeline_execution(**asked)


def test_an_abandoned_action_goes_on_alone_and_can_be_repeated(pipelines: Pipelines) -> None:
    machine = pipelines.machine("alone", Sleep={"Type": "Wait", "Seconds": 25, "End": True})
    first = pipelines.create("alone", [execute(machine)])
    second = pipelines.start("alone")
    pipelines.waits("alone", 1, second)
    states = pipelines.account.client("stepfunctions")

    def started() -> str | None:
        found = states.list_executions(stateMachineArn=machine)["executions"]
        return found[0]["executionArn"] if found else None

    arn = until(started)
    asked = {"pipelineName": "alone", "pipelineExecutionId": second}
    pipelines.api.stop_pipeline_execution(**asked)  # it waits in front of the stage
    assert pipelines.execution("alone", second)["status"] == "Stopped"
    asked["pipelineExecutionId"] = first
    pipelines.api.stop_pipeline_execution(**asked, abandon=True)
    assert pipelines.execution("alone", first)["status"] == "Stopped"
    assert pipelines.runs("alone", first)[-1]["status"] == "Abandoned"
    assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
    fast = json.dumps({"StartAt": "End", "States": {"End": PASS}})
    states.update_state_machine(stateMachineArn=machine, definition=fast)
    pipelines.api.retry_stage_execution(**asked, stageName="Stage1", retryMode="FAILED_ACTIONS")
    assert pipelines.ended("alone", first) == "Succeeded"
    states.stop_execution(executionArn=arn)


@contextmanager
def _without(pipelines: Pipelines, *actions: str) -> Iterator[None]:
    """Deny the role of the pipelines something."""
    denied = {"Effect": "Deny", "Action": list(actions), "Resource": "*"}
    create_role(pipelines.account, "pipelines", "codepipeline", allow=[ANYTHING, denied])
    try:
        yield
    finally:
        create_role(pipelines.account, "pipelines", "codepipeline")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("codecommit:GetBranch", "required to access the AWS CodeCommit repository named"),
        ("codecommit:GetCommit", "required to access the AWS CodeCommit repository named"),
        ("codecommit:UploadArchive", "required to access the AWS CodeCommit repository named"),
        ("s3:PutObject", "required to access the Amazon S3 bucket named"),
        ("s3:GetObject", "Unable to access the artifact with Amazon S3 object key 'denied-"),
        ("states:DescribeStateMachine", "Service: AWSStepFunctions"),
        ("states:StartExecution", "Service: AWSStepFunctions"),
        ("states:DescribeExecution", "Service: AWSStepFunctions"),
    ],
)
def test_a_right_that_is_missing_fails_the_action(
    pipelines: Pipelines, action: str, words: str
) -> None:
    name = f"denied-{action.replace(':', '-')}"
    run = execute(pipelines.machine(name), InputType="FilePath", Input="deep/input.json")
    run["inputArtifacts"] = [{"name": "SourceOutput"}]
    with _without(pipelines, action):
        code, message = pipelines.error(name, pipelines.create(name, [run]))
    assert (code, words in message) == ("PermissionError", True), message
    if action != "s3:GetObject":  # AWS tells no more of it
        assert f"is not authorized to perform: {action} on resource: " in message


def test_an_action_with_a_role_of_its_own_has_its_rights(pipelines: Pipelines) -> None:
    role = create_role(pipelines.account, "of-one-action", "lambda")
    iam = pipelines.account.client("iam")
    trusted = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    run = {**execute(pipelines.machine("own-role")), "roleArn": role}
    code, message = pipelines.error("own-role", pipelines.create("own-role", [run]))
    assert (code, role in message) == ("PermissionError", True)
    iam.update_assume_role_policy(RoleName="of-one-action", PolicyDocument=trust)
    with _without(pipelines, "states:StartExecution"):
        assert pipelines.ended("own-role", pipelines.start("own-role")) == "Succeeded"


def test_who_may_not_pass_the_role_makes_no_pipeline(pipelines: Pipelines) -> None:
    role = create_role(
        pipelines.account,
        "no-passing",
        "codepipeline",
        allow=[{"Effect": "Allow", "Action": "codepipeline:*", "Resource": "*"}],
    )
    iam = pipelines.account.client("iam")
    iam.update_assume_role_policy(
        RoleName="no-passing",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )
    api = pipelines.account.assumed(role)("codepipeline")
    asked = pipelines.definition("unpassed", [approve()])
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        api.create_pipeline(pipeline=asked)
    with _refused("PipelineNotFoundException"):
        pipelines.api.get_pipeline(name="unpassed")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_action_whose_thread_dies_has_failed_and_leaves_the_stage(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    dies = True

    def fetch(work: Any) -> Result:
        if dies:
            raise ZeroDivisionError
        return Result()

    account = Account("1" * 12, "us-east-1", "http://127.0.0.1:1", "k", "s", tmp_path, tmp_path)
    vars(account)["identities"] = SimpleNamespace(
        of_role=lambda *_: None, acts_for=lambda _: ("", ""), identify=lambda _: None
    )

    def emit(kind: str, arn: str, detail: dict[str, Any], service: str) -> None:
        told.append((kind.split()[1], detail["state"]))

    service = Executions(
        account, emit, {("Source", "CodeCommit"): fetch, ("Approval", "Manual"): fetch}
    )
    asked = {
        "name": "dies",
        "roleArn": ROLE,
        "artifactStore": {"type": "S3", "location": "bucket"},
        "stages": [
            {"name": "Source", "actions": [source("any")]},
            {"name": "Stage1", "actions": [approve()]},
        ],
    }
    service.call("CreatePipeline", {"pipeline": asked})
    _ended(service, "Failed")
    assert told[-3:] == [("Action", "FAILED"), ("Stage", "FAILED"), ("Pipeline", "FAILED")]
    dies = False
    service.call("StartPipelineExecution", {"name": "dies"})
    _ended(service, "Succeeded")


def _ended(service: Executions, status: str) -> None:
    def reached() -> bool | None:
        answer = service.call("ListPipelineExecutions", {"pipelineName": "dies"})
        found = answer["pipelineExecutionSummaries"][0]["status"]
        return True if found == status else None

    until(reached)
