"""Pipelines of the tests: their definitions, what they work on, and how tests wait for them."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import create_role
from tests.account.sagemaker_fixture import until
from tests.conftest import RunningAccount

ROLE = "arn:aws:iam::123456789012:role/pipelines"
PASS: dict[str, Any] = {"Type": "Pass", "End": True}
OVER = frozenset({"Succeeded", "Failed", "Stopped", "Superseded", "Cancelled"})
Action = dict[str, Any]
Found = dict[str, Any]


def action(name: str, kind: str, order: int = 1, **more: Any) -> Action:
    """Return an action of a kind such as "Build/CodeBuild"; `more` are its other members."""
    category, _, provider = kind.partition("/")
    asked = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "actionTypeId": asked, "runOrder": order, **more}


def source(repository: str, **more: Any) -> Action:
    """Return the action that fetches the newest commit of the branch `main`."""
    configuration = {
        "RepositoryName": repository,
        "BranchName": "main",
        "PollForSourceChanges": "false",
    }
    outputs = [{"name": "SourceOutput"}]
    declared = {"configuration": configuration, "outputArtifacts": outputs, **more}
    return action("Fetch", "Source/CodeCommit", **declared)


def execute(machine: str, name: str = "Run", order: int = 1, **configuration: Any) -> Action:
    """Return an action that starts a state machine."""
    configured = {"StateMachineArn": machine, **configuration}
    return action(name, "Invoke/StepFunctions", order, configuration=configured)


def approve(name: str = "Approve", order: int = 1, **configuration: str) -> Action:
    """Return an action that waits for an approval."""
    return action(name, "Approval/Manual", order, configuration=configuration)


@dataclass(frozen=True)
class Pipelines:
    """An account with a bucket for artifacts, a repository with a commit, and a role."""

    account: RunningAccount
    bucket: str
    repository: str

    @cached_property
    def api(self) -> Any:
        return self.account.client("codepipeline")

    def definition(self, pipeline_name: str, *stages: list[Action], **more: Any) -> dict[str, Any]:
        """Return the definition of a pipeline that fetches the repository; then `stages`."""
        names = [f"Stage{number}" for number in range(1, len(stages) + 1)]
        declared = zip(["Source", *names], [[source(self.repository)], *stages], strict=True)
        return {
            "name": pipeline_name,
            "roleArn": ROLE,
            "artifactStore": {"type": "S3", "location": self.bucket},
            "stages": [{"name": name, "actions": actions} for name, actions in declared],
            **more,
        }

    def create(self, pipeline_name: str, *stages: list[Action], **more: Any) -> str:
        """Create a pipeline and return the id of its first execution."""
        self.api.create_pipeline(pipeline=self.definition(pipeline_name, *stages, **more))
        listed = self.api.list_pipeline_executions(pipelineName=pipeline_name)
        (execution,) = listed["pipelineExecutionSummaries"]
        return str(execution["pipelineExecutionId"])

    def start(self, name: str, **more: Any) -> str:
        return str(self.api.start_pipeline_execution(name=name, **more)["pipelineExecutionId"])

    def execution(self, name: str, execution_id: str) -> Found:
        found: Found = self.api.get_pipeline_execution(
            pipelineName=name, pipelineExecutionId=execution_id
        )["pipelineExecution"]
        return found

    def ended(self, name: str, execution_id: str) -> str:
        """Wait for the end of an execution and return its status."""

        def over() -> str | None:
            status: str = self.execution(name, execution_id)["status"]
            return status if status in OVER else None

        return str(until(over))

    def stage(self, name: str, number: int) -> Found:
        """Return the state of a stage; the source's is number 0."""
        found: Found = self.api.get_pipeline_state(name=name)["stageStates"][number]
        return found

    def within(self, name: str, number: int, execution_id: str, other: str = "") -> str:
        """Wait until an execution is in a stage whose first action asks; return the token.

        `other` is that of an execution that is in the stage at the same time.
        """

        def asked() -> str | None:
            state = self.stage(name, number)
            inside = state.get("latestExecution", {}).get("pipelineExecutionId") == execution_id
            run = state["actionStates"][0].get("latestExecution", {})
            return run.get("token") if inside and run.get("token") != other else None

        return str(until(asked))

    def waits(self, name: str, number: int, execution_id: str) -> None:
        """Wait until an execution waits in front of a stage."""
        until(
            lambda: (
                self.stage(name, number).get("inboundExecution", {}).get("pipelineExecutionId")
                == execution_id
                or None
            )
        )

    def answer(self, name: str, token: str, stage: str = "Stage1", **more: str) -> None:
        """Approve, unless `more` says otherwise."""
        asked = {"status": "Approved", "summary": "fine", **more}
        self.api.put_approval_result(
            pipelineName=name, stageName=stage, actionName="Approve", token=token, result=asked
        )

    def runs(self, name: str, execution_id: str = "") -> list[Found]:
        """Return the executions of actions, the first one first."""
        wanted = {"filter": {"pipelineExecutionId": execution_id}} if execution_id else {}
        found = self.api.list_action_executions(pipelineName=name, **wanted)
        return list(reversed(found["actionExecutionDetails"]))

    def error(self, name: str, execution_id: str) -> tuple[str, str]:
        """Wait for an execution to fail and return the code and the message of the last action."""
        assert self.ended(name, execution_id) == "Failed"
        details = self.runs(name, execution_id)[-1]["output"]["executionResult"]["errorDetails"]
        return details["code"], details["message"]

    def machine(self, name: str, **states: dict[str, Any]) -> str:
        """Create a state machine whose first state is the first of `states`; it passes."""
        definition = {"StartAt": next(iter(states), "End"), "States": states or {"End": PASS}}
        role = create_role(self.account, "machines", "states")
        answer = self.account.client("stepfunctions").create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=role
        )
        return str(answer["stateMachineArn"])

    def input_of(self, run: Found) -> Any:
        """Return the input of the execution that an action started."""
        arn = run["output"]["executionResult"]["externalExecutionId"]
        found = self.account.client("stepfunctions").describe_execution(executionArn=arn)
        return json.loads(found["input"])

    def commit(self, path: str, content: str, message: str = "a change") -> str:
        """Commit a file to the branch `main` and return the commit's id."""
        codecommit = self.account.client("codecommit")
        place = {"repositoryName": self.repository, "branchName": "main"}
        try:
            tip = {"parentCommitId": codecommit.get_branch(**place)["branch"]["commitId"]}
        except ClientError:  # the first one
            tip = {}
        answer = codecommit.put_file(
            **place,
            **tip,
            filePath=path,
            fileContent=content.encode(),
            commitMessage=message,
            name="Ann",
            email="ann@example.org",
        )
        return str(answer["commitId"])


@pytest.fixture(scope="module")
def pipelines(account: RunningAccount, request: pytest.FixtureRequest) -> Pipelines:
    """A bucket, a role and a repository with `input.json`, for the pipelines of a test module."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    create_role(account, "pipelines", "codepipeline")
    account.client("s3").create_bucket(Bucket=name)
    account.client("codecommit").create_repository(repositoryName=name)
    made = Pipelines(account, name, name)
    made.commit("deep/input.json", '{"from": "a file"}', 'the first\n\nwith "quotes"')
    return made
