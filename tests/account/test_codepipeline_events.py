"""Pipelines tell the bus what becomes of them, as AWS does, and rules start them."""

import json
from typing import Any

import pytest

from tests.account.event_shapes import differences, shapes
from tests.account.pipelines import Pipelines, approve, execute, pipelines
from tests.account.roles import ANYTHING, create_role
from tests.account.sagemaker_fixture import until
from tests.account.workloads import queue

__all__ = ["pipelines"]  # a fixture
SHAPES = shapes()
Event = dict[str, Any]


class Listener:
    """A queue that receives every event of pipelines, and keeps what it received."""

    def __init__(self, made: Pipelines) -> None:
        self._sqs = made.account.client("sqs")
        self._url, arn = queue(made.account, "events-of-pipelines")
        self._kept: list[Event] = []
        pattern = json.dumps({"source": ["aws.codepipeline"]})
        events = made.account.client("events")
        events.put_rule(Name="events-of-pipelines", EventPattern=pattern)
        events.put_targets(Rule="events-of-pipelines", Targets=[{"Id": "1", "Arn": arn}])

    def of(self, name: str, number: int) -> list[Event]:
        """Wait until there are so many events of a pipeline."""

        def heard() -> list[Event] | None:
            got = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            for message in got.get("Messages", []):
                self._kept.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            found = [each for each in self._kept if each["detail"]["pipeline"] == name]
            return found if len(found) >= number else None

        events: list[Event] = until(heard)
        assert len(events) == number, events
        for event in events:
            assert list(differences(event, SHAPES[event["detail-type"]])) == []
        return events


@pytest.fixture(scope="module")
def listener(pipelines: Pipelines) -> Listener:
    return Listener(pipelines)


def _states(events: list[Event], kind: str, *members: str) -> set[tuple[str, ...]]:
    found = [each["detail"] for each in events if each["detail-type"].split()[1] == kind]
    return {tuple(detail[name] for name in (*members, "state")) for detail in found}


def _action(events: list[Event], name: str, state: str) -> dict[str, Any]:
    (found,) = (
        each["detail"]
        for each in events
        if (each["detail"].get("action"), each["detail"]["state"]) == (name, state)
    )
    return dict(found)


def test_an_execution_that_fails(pipelines: Pipelines, listener: Listener) -> None:
    machine = pipelines.machine("told-fails", No={"Type": "Fail", "Error": "Odd", "Cause": "why"})
    run = {**execute(machine), "inputArtifacts": [{"name": "SourceOutput"}]}
    execution = pipelines.create("told-fails", [run])
    assert pipelines.ended("told-fails", execution) == "Failed"
    events = listener.of("told-fails", 10)
    assert _states(events, "Pipeline") == {("STARTED",), ("FAILED",)}
    assert _states(events, "Stage", "stage") == {
        ("Source", "STARTED"), ("Source", "SUCCEEDED"), ("Stage1", "STARTED"), ("Stage1", "FAILED"),
    }  # fmt: skip
    assert {each["detail"]["execution-id"] for each in events} == {execution}
    fetched = _action(events, "Fetch", "SUCCEEDED")
    assert fetched["execution-result"]["external-execution-summary"].startswith("the first")
    started, failed = _action(events, "Run", "STARTED"), _action(events, "Run", "FAILED")
    assert started["input-artifacts"] == fetched["output-artifacts"]
    assert "execution-result" not in started
    result = failed["execution-result"]
    assert result["error-code"] == "JobFailed"
    assert result["external-execution-id"] in result["external-execution-summary"]
    assert result["external-execution-summary"].endswith("FAILED: Odd: why")
    run_of_api = pipelines.runs("told-fails")[-1]
    assert failed["action-execution-id"] == run_of_api["actionExecutionId"]


def test_an_execution_that_is_stopped_and_repeated(
    pipelines: Pipelines, listener: Listener
) -> None:
    execution = pipelines.create("told-stops", [approve()])
    pipelines.within("told-stops", 1, execution)
    asked = {"pipelineName": "told-stops", "pipelineExecutionId": execution}
    pipelines.api.stop_pipeline_execution(**asked, abandon=True, reason="enough")
    events = listener.of("told-stops", 11)
    assert _states(events, "Pipeline") == {("STARTED",), ("STOPPING",), ("STOPPED",)}
    assert ("Stage1", "STOPPED") in _states(events, "Stage", "stage")
    assert ("Approve", "ABANDONED") in _states(events, "Action", "action")
    (stopping,) = (each for each in events if each["detail"]["state"] == "STOPPING")
    assert stopping["detail"]["stop-execution-comments"] == "enough"
    pipelines.api.retry_stage_execution(**asked, stageName="Stage1", retryMode="ALL_ACTIONS")
    events = listener.of("told-stops", 14)[11:]
    assert _states(events, "Pipeline") == {("RESUMED",)}
    assert _states(events, "Stage", "stage") == {("Stage1", "RESUMED")}
    assert {each["detail"]["pipeline-execution-attempt"] for each in events} == {2}


def _rule(pipelines: Pipelines, name: str, role: str, **target: Any) -> tuple[str, str]:
    """Let events with a source of that name start a pipeline; return the rule's ARN, a queue."""
    events = pipelines.account.client("events")
    url, letters = queue(pipelines.account, f"{name}-letters")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    pipeline = f"arn:aws:codepipeline:us-east-1:123456789012:{name}"
    aimed = {"Id": "1", "Arn": pipeline, "RoleArn": role, "DeadLetterConfig": {"Arn": letters}}
    events.put_targets(Rule=name, Targets=[{**aimed, **target}])
    detail = json.dumps({"commitId": pipelines.commit("rule.txt", name)})
    pipelines.commit("rule.txt", f"{name} again")
    events.put_events(Entries=[{"Source": name, "DetailType": "any", "Detail": detail}])
    return rule, url


def test_a_rule_starts_a_pipeline_with_the_revision_that_it_names(pipelines: Pipelines) -> None:
    name = "ruled"
    pipelines.create(name, [execute(pipelines.machine(name))])
    may = {"Effect": "Allow", "Action": "codepipeline:StartPipelineExecution", "Resource": "*"}
    role = create_role(pipelines.account, name, "events", allow=[may])
    override = '{"actionName": "Fetch", "revisionType": "COMMIT_ID", "revisionValue": <commit>}'
    transformed = {
        "InputPathsMap": {"commit": "$.detail.commitId"},
        "InputTemplate": f'{{"sourceRevisions": {override}}}',
    }
    rule, _ = _rule(pipelines, name, role, InputTransformer=transformed)

    def started() -> dict[str, Any] | None:
        listed = pipelines.api.list_pipeline_executions(pipelineName=name)
        newest, *others = listed["pipelineExecutionSummaries"]
        return dict(newest) if others else None

    execution = until(started)
    assert execution["trigger"] == {"triggerType": "CloudWatchEvent", "triggerDetail": rule}
    execution_id = execution["pipelineExecutionId"]
    assert pipelines.ended(name, execution_id) == "Succeeded"
    fetched = pipelines.runs(name, execution_id)[0]
    commit = fetched["output"]["outputVariables"]["CommitId"]
    codecommit = pipelines.account.client("codecommit")
    content = codecommit.get_file(
        repositoryName=pipelines.repository, filePath="rule.txt", commitSpecifier=commit
    )
    assert content["fileContent"] == b"ruled"


def test_a_rule_whose_role_may_not_start_the_pipeline(pipelines: Pipelines) -> None:
    name = "unruled"
    pipelines.create(name, [approve()])
    role = create_role(pipelines.account, name, "events", allow=[{**ANYTHING, "Effect": "Deny"}])
    _, url = _rule(pipelines, name, role)
    answer = pipelines.account.client("sqs").receive_message(
        QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"]
    )
    attributes = answer["Messages"][0]["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    listed = pipelines.api.list_pipeline_executions(pipelineName=name)
    assert len(listed["pipelineExecutionSummaries"]) == 1
