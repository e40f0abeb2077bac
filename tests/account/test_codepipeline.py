"""Pipelines run their stages in order, one execution at a time in each of them."""

import io
import json
import re
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.pipelines import PASS, Pipelines, action, approve, execute, pipelines
from tests.account.roles import create_role
from tests.account.sagemaker_fixture import until

__all__ = ["pipelines"]  # a fixture


def test_a_new_pipeline_starts_by_itself_and_runs_its_stages_in_order(
    pipelines: Pipelines,
) -> None:
    machine = pipelines.machine("in-order", Sleep={"Type": "Wait", "Seconds": 1, "End": True})
    both = [execute(machine, "Left"), execute(machine, "Right")]
    execution = pipelines.create("in-order", [*both, execute(machine, "After", 2)])
    assert pipelines.ended("in-order", execution) == "Succeeded"
    runs = {run["actionName"]: run for run in pipelines.runs("in-order")}
    assert {run["status"] for run in runs.values()} == {"Succeeded"}
    fetched, left, right, after = (runs[name] for name in ("Fetch", "Left", "Right", "After"))
    starts_and_ends = [
        fetched["lastUpdateTime"], left["startTime"], right["lastUpdateTime"], after["startTime"],
    ]  # fmt: skip
    assert starts_and_ends == sorted(starts_and_ends)
    assert right["startTime"] < left["lastUpdateTime"]
    found = pipelines.execution("in-order", execution)
    assert found["trigger"] == {
        "triggerType": "CreatePipeline",
        "triggerDetail": "arn:aws:iam::123456789012:root",
    }
    (revision,) = found["artifactRevisions"]
    assert (revision["name"], revision["revisionSummary"]) == (
        "SourceOutput",
        'the first\n\nwith "quotes"',
    )


def test_the_source_is_an_encrypted_zip_under_a_key_as_aws_cuts_it(pipelines: Pipelines) -> None:
    name = "a-name-of-more-than-twenty-characters"
    execution = pipelines.create(name, [execute(pipelines.machine("keys"))])
    assert pipelines.ended(name, execution) == "Succeeded"
    (artifact,) = pipelines.runs(name)[0]["output"]["outputArtifacts"]
    location = artifact["s3location"]
    assert location["bucket"] == pipelines.bucket
    assert re.fullmatch(r"a-name-of-more-than-/SourceOutp/[A-Za-z0-9]{7}", location["key"])
    s3 = pipelines.account.client("s3")
    found = s3.get_object(Bucket=location["bucket"], Key=location["key"])
    assert found["ServerSideEncryption"] == "aws:kms"
    with zipfile.ZipFile(io.BytesIO(found["Body"].read())) as archive:
        assert archive.read("deep/input.json") == b'{"from": "a file"}'


def test_a_store_with_a_key_of_its_own(pipelines: Pipelines) -> None:
    key = pipelines.account.client("kms").create_key()["KeyMetadata"]["Arn"]
    store = {
        "type": "S3",
        "location": pipelines.bucket,
        "encryptionKey": {"id": key, "type": "KMS"},
    }
    asked = [execute(pipelines.machine("own-key"))]
    execution = pipelines.create("own-key", asked, artifactStore=store)
    assert pipelines.ended("own-key", execution) == "Succeeded"
    (artifact,) = pipelines.runs("own-key")[0]["output"]["outputArtifacts"]
    head = pipelines.account.client("s3").head_object(
        Bucket=artifact["s3location"]["bucket"], Key=artifact["s3location"]["key"]
    )
    assert head["SSEKMSKeyId"] == key


def test_variables_reach_the_actions_after_them(pipelines: Pipelines) -> None:
    machine = pipelines.machine("variables")
    told = {
        "commit": "#{Code.CommitId}",
        "branch": "#{Code.BranchName} of #{Code.RepositoryName}",
        "when": "#{Code.AuthorDate}",
        "execution": "#{codepipeline.PipelineExecutionId}",
        "given": "#{variables.colour}",
    }
    asked = pipelines.definition(
        "variables",
        [execute(machine, Input=json.dumps(told), ExecutionNamePrefix="pre")],
        [execute(machine, Input='{"first": "#{First.ExecutionArn}"}')],
        pipelineType="V2",
        variables=[{"name": "colour", "defaultValue": "red"}],
    )
    asked["stages"][0]["actions"][0]["namespace"] = "Code"
    asked["stages"][1]["actions"][0]["namespace"] = "First"
    pipelines.api.create_pipeline(pipeline=asked)
    execution = pipelines.start("variables", variables=[{"name": "colour", "value": "blue"}])
    assert pipelines.ended("variables", execution) == "Succeeded"
    fetched, first, second = pipelines.runs("variables", execution)
    commit = fetched["output"]["outputVariables"]["CommitId"]
    seen = pipelines.input_of(first)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", seen.pop("when"))
    assert seen == {
        "commit": commit,
        "branch": f"main of {pipelines.repository}",
        "execution": execution,
        "given": "blue",
    }
    arn = first["output"]["outputVariables"]["ExecutionArn"]
    assert arn.endswith(f":pre-{first['actionExecutionId']}")
    assert pipelines.input_of(second) == {"first": arn}
    resolved = pipelines.execution("variables", execution)["variables"]
    assert resolved == [{"name": "colour", "resolvedValue": "blue"}]


def test_the_input_of_a_state_machine_can_be_a_file(pipelines: Pipelines) -> None:
    machine = pipelines.machine("files")
    files: dict[str, Any] = {"InputType": "FilePath", "Input": "deep/input.json"}
    there = execute(machine, "There", **files) | {"inputArtifacts": [{"name": "SourceOutput"}]}
    files["Input"] = "nowhere.json"
    missing = execute(machine, "Missing", 2, **files)
    missing |= {"inputArtifacts": [{"name": "SourceOutput"}]}
    code, message = pipelines.error("files", pipelines.create("files", [there, missing]))
    assert (code, message.partition(" (")[0]) == (
        "ConfigurationError",
        "The file nowhere.json is not in the input artifact SourceOutput",
    )
    found = next(run for run in pipelines.runs("files") if run["actionName"] == "There")
    assert pipelines.input_of(found) == {"from": "a file"}


def test_a_state_machine_that_fails_says_why(pipelines: Pipelines) -> None:
    machine = pipelines.machine("fails", No={"Type": "Fail", "Error": "Odd", "Cause": "no rows"})
    code, message = pipelines.error("fails", pipelines.create("fails", [execute(machine)]))
    assert code == "JobFailed"
    assert re.fullmatch(
        r"The execution arn:aws:states:\S+:fails:\S+ ended with status FAILED: Odd: no rows",
        message,
    )
    state = pipelines.stage("fails", 1)
    assert state["latestExecution"]["status"] == "Failed"
    assert state["actionStates"][0]["latestExecution"]["errorDetails"]["message"] == message


def test_a_newer_execution_supersedes_the_one_that_waits(pipelines: Pipelines) -> None:
    first = pipelines.create("supersedes", [approve()])
    token = pipelines.within("supersedes", 1, first)
    second = pipelines.start("supersedes")
    pipelines.waits("supersedes", 1, second)
    third = pipelines.start("supersedes")
    pipelines.waits("supersedes", 1, third)
    assert pipelines.ended("supersedes", second) == "Superseded"
    pipelines.answer("supersedes", token)
    assert pipelines.ended("supersedes", first) == "Succeeded"
    pipelines.answer("supersedes", pipelines.within("supersedes", 1, third))
    assert pipelines.ended("supersedes", third) == "Succeeded"
    listed = pipelines.api.list_pipeline_executions(pipelineName="supersedes")
    assert [each["status"] for each in listed["pipelineExecutionSummaries"]] == [
        "Succeeded", "Superseded", "Succeeded",
    ]  # fmt: skip
    wanted = {"succeededInStage": {"stageName": "Stage1"}}
    listed = pipelines.api.list_pipeline_executions(pipelineName="supersedes", filter=wanted)
    ids = [each["pipelineExecutionId"] for each in listed["pipelineExecutionSummaries"]]
    assert ids == [third, first]


def test_a_queue_keeps_every_execution(pipelines: Pipelines) -> None:
    more = {"pipelineType": "V2", "executionMode": "QUEUED"}
    first = pipelines.create("queued", [approve()], **more)
    token = pipelines.within("queued", 1, first)
    second, third = pipelines.start("queued"), pipelines.start("queued")
    until(lambda: len(pipelines.stage("queued", 1)["inboundExecutions"]) == 2 or None)
    pipelines.answer("queued", token)
    pipelines.answer("queued", pipelines.within("queued", 1, second))
    pipelines.answer("queued", pipelines.within("queued", 1, third))
    ended = {pipelines.ended("queued", each) for each in (first, second, third)}
    assert ended == {"Succeeded"}


def test_parallel_executions_wait_for_nobody(pipelines: Pipelines) -> None:
    more = {"pipelineType": "V2", "executionMode": "PARALLEL"}
    first = pipelines.create("parallel", [approve()], **more)
    token = pipelines.within("parallel", 1, first)
    second = pipelines.start("parallel")
    pipelines.answer("parallel", pipelines.within("parallel", 1, second, token))
    assert pipelines.ended("parallel", second) == "Succeeded"
    assert pipelines.execution("parallel", first)["status"] == "InProgress"
    pipelines.answer("parallel", token)
    assert pipelines.ended("parallel", first) == "Succeeded"


@pytest.mark.parametrize(("mode", "repeated"), [("FAILED_ACTIONS", 1), ("ALL_ACTIONS", 2)])
def test_a_failed_stage_is_repeated(pipelines: Pipelines, mode: str, repeated: int) -> None:
    name = f"repeats-{mode.lower()}"
    good = pipelines.machine(f"{name}-good")
    bad = pipelines.machine(f"{name}-bad", No={"Type": "Fail", "Error": "Odd"})
    stage = [execute(good, "Good"), execute(bad, "Bad"), execute(good, "Then", 2)]
    execution = pipelines.create(name, stage)
    assert pipelines.ended(name, execution) == "Failed"
    before = pipelines.runs(name)
    assert {run["actionName"] for run in before} == {"Fetch", "Good", "Bad"}
    mended = json.dumps({"StartAt": "End", "States": {"End": PASS}})
    states = pipelines.account.client("stepfunctions")
    states.update_state_machine(stateMachineArn=bad, definition=mended)
    asked = {"pipelineName": name, "stageName": "Stage1", "pipelineExecutionId": execution}
    until(lambda: _retried(pipelines, {**asked, "retryMode": mode}))
    assert pipelines.ended(name, execution) == "Succeeded"
    runs = [run["actionName"] for run in pipelines.runs(name)]
    assert len(runs) == len(before) + repeated + 1
    assert runs[-1] == "Then"
    assert pipelines.stage(name, 1)["retryStageMetadata"] == {
        "manualStageRetryAttempt": 1,
        "latestRetryTrigger": "ManualStageRetry",
    }
    with pytest.raises(ClientError, match="StageNotRetryableException"):
        pipelines.api.retry_stage_execution(**asked, retryMode=mode)


def _retried(pipelines: Pipelines, asked: dict[str, Any]) -> bool:
    pipelines.api.retry_stage_execution(**asked)
    return True


def test_only_the_newest_execution_of_a_stage_is_repeated(pipelines: Pipelines) -> None:
    machine = pipelines.machine("newest", No={"Type": "Fail", "Error": "Odd"})
    first = pipelines.create("newest", [execute(machine)])
    assert pipelines.ended("newest", first) == "Failed"
    second = pipelines.start("newest")
    assert pipelines.ended("newest", second) == "Failed"
    with pytest.raises(ClientError, match="NotLatestPipelineExecutionException"):
        pipelines.api.retry_stage_execution(
            pipelineName="newest",
            stageName="Stage1",
            pipelineExecutionId=first,
            retryMode="FAILED_ACTIONS",
        )


def test_a_disabled_transition_holds_executions_up(pipelines: Pipelines) -> None:
    first = pipelines.create("closed", [approve()])
    pipelines.answer("closed", pipelines.within("closed", 1, first))
    assert pipelines.ended("closed", first) == "Succeeded"
    gate = {"pipelineName": "closed", "stageName": "Stage1", "transitionType": "Inbound"}
    pipelines.api.disable_stage_transition(**gate, reason="not today")
    second = pipelines.start("closed")
    pipelines.waits("closed", 1, second)
    state = pipelines.stage("closed", 1)["inboundTransitionState"]
    assert (state["enabled"], state["disabledReason"]) == (False, "not today")
    pipelines.api.enable_stage_transition(**gate)
    pipelines.answer("closed", pipelines.within("closed", 1, second))
    assert pipelines.ended("closed", second) == "Succeeded"


def test_a_revision_and_a_token_of_the_caller(pipelines: Pipelines) -> None:
    first = pipelines.commit("revision.txt", "1", "one")
    pipelines.commit("revision.txt", "2", "two")
    pipelines.create("revisions", [execute(pipelines.machine("revisions"))])
    override = {"actionName": "Fetch", "revisionType": "COMMIT_ID", "revisionValue": first}
    asked = {"sourceRevisions": [override], "clientRequestToken": "once"}
    execution = pipelines.start("revisions", **asked)
    assert pipelines.start("revisions", **asked) == execution
    assert pipelines.ended("revisions", execution) == "Succeeded"
    (revision,) = pipelines.execution("revisions", execution)["artifactRevisions"]
    assert (revision["revisionId"], revision["revisionSummary"]) == (first, "one")
    assert pipelines.execution("revisions", execution)["trigger"]["triggerType"] == (
        "StartPipelineExecution"
    )


def test_a_change_of_the_pipeline_cancels_its_executions(pipelines: Pipelines) -> None:
    first = pipelines.create("changes", [approve()])
    token = pipelines.within("changes", 1, first)
    second = pipelines.start("changes")
    pipelines.waits("changes", 1, second)
    asked = pipelines.definition("changes", [approve()], [approve("Again")])
    answer = pipelines.api.update_pipeline(pipeline=asked)
    assert answer["pipeline"]["version"] == 2
    assert pipelines.execution("changes", second)["status"] == "Cancelled"
    assert pipelines.execution("changes", first)["status"] == "InProgress"
    pipelines.answer("changes", token)
    assert pipelines.ended("changes", first) == "Cancelled"
    found = pipelines.api.get_pipeline(name="changes", version=1)["pipeline"]
    assert [stage["name"] for stage in found["stages"]] == ["Source", "Stage1"]


def _of_a_connection(pipelines: Pipelines, arn: str) -> tuple[str, str]:
    """Create a pipeline whose source is a connection; return why its execution failed."""
    configuration = {"ConnectionArn": arn, "FullRepositoryId": "a/b", "BranchName": "main"}
    asked = pipelines.definition("connected", [approve()])
    asked["stages"][0]["actions"] = [
        action(
            "Fetch",
            "Source/CodeStarSourceConnection",
            configuration=configuration,
            outputArtifacts=[{"name": "SourceOutput"}],
        )
    ]
    pipelines.api.create_pipeline(pipeline=asked)
    (listed,) = pipelines.api.list_pipeline_executions(pipelineName="connected")[
        "pipelineExecutionSummaries"
    ]
    return pipelines.error("connected", listed["pipelineExecutionId"])


@pytest.mark.parametrize(
    ("operator", "repository", "error"),
    [
        ("", "", "ConfigurationError"),
        ("StringEquals", "a/b", "ConfigurationError"),
        ("StringEqualsIfExists", "a/b", "ConfigurationError"),
        ("StringEqualsIfExists", "a/other", "PermissionError"),
    ],
)
def test_a_connection_that_nobody_finished_fails_the_source_of_who_may_use_it(
    pipelines: Pipelines, operator: str, repository: str, error: str
) -> None:
    arn = "arn:aws:codeconnections:us-east-1:123456789012:connection/aa"
    use: dict[str, Any] = {"Action": "codeconnections:UseConnection", "Resource": arn}
    if operator:
        use["Condition"] = {operator: {"codeconnections:FullRepositoryId": repository}}
    others = {"NotAction": "codeconnections:*", "Resource": "*"}
    allow = [{"Effect": "Allow", **each} for each in (use, others)]
    create_role(pipelines.account, "pipelines", "codepipeline", allow=allow)
    try:
        code, message = _of_a_connection(pipelines, arn)
    finally:
        create_role(pipelines.account, "pipelines", "codepipeline")
        pipelines.api.delete_pipeline(name="connected")
    assert code == error
    if error == "ConfigurationError":
        assert message.startswith(f"The connection {arn} is in status PENDING, expected AVAILABLE")
    else:
        assert message.startswith(f"Unable to use Connection: {arn}. ")


def test_a_deleted_pipeline_is_gone_and_its_executions_end(pipelines: Pipelines) -> None:
    pipelines.within("deleted", 1, pipelines.create("deleted", [approve()]))
    api = pipelines.api
    api.delete_pipeline(name="deleted")
    api.delete_pipeline(name="deleted")
    words = "Account '123456789012' does not have a pipeline with name 'deleted'"
    with pytest.raises(ClientError, match=f"PipelineNotFoundException.*{words}"):
        api.get_pipeline_state(name="deleted")
    first = pipelines.create("deleted", [execute(pipelines.machine("deleted"))])
    assert pipelines.ended("deleted", first) == "Succeeded"


def test_tags_of_a_pipeline(pipelines: Pipelines) -> None:
    api, asked = pipelines.api, pipelines.definition("tagged", [approve()])
    api.create_pipeline(pipeline=asked, tags=[{"key": "a", "value": "1"}])
    arn = api.get_pipeline(name="tagged")["metadata"]["pipelineArn"]
    api.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "2"}])
    api.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert api.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    names = [each["name"] for each in api.list_pipelines()["pipelines"]]
    assert "tagged" in names
