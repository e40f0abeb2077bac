"""Faults in the deployed, unmodified state machine: what is retried, what ends, what is left."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import start_account
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.images import put_images
from tests.e2e.observed import leftovers, lock, pages, run_name, serving, subscribe
from tests.e2e.stops import ATTEMPTS, run_in, stop

Fault = dict[str, Any]
Execution = dict[str, Any]

# The state, and the request that it cannot do without.
NEEDED: dict[str, Fault] = {
    "PrepareRun": {"service": "ecr", "operation": "DescribeImages"},
    "ValidateDataset": {"service": "sagemaker", "operation": "CreateProcessingJob"},
    "TrainModel": {"service": "sagemaker", "operation": "CreateTrainingJob"},
    "EvaluateModel": {
        "service": "sagemaker",
        "operation": "CreateProcessingJob",
        "contains": "-evaluate",
    },
    "ReadEvaluation": {
        "service": "s3",
        "operation": "GetObject",
        "contains": "/evaluation.json",
    },
    "CreateModel": {"service": "sagemaker", "operation": "CreateModel"},
    "RegisterModelVersion": {"service": "sagemaker", "operation": "CreateModelPackage"},
    "AcquireStaging": {"service": "dynamodb", "operation": "PutItem", "contains": "staging-lock"},
    "CreateEndpointConfig": {"service": "sagemaker", "operation": "CreateEndpointConfig"},
    "FindEndpoint": {"service": "lambda", "operation": "Invoke", "contains": "EndpointWait"},
    "UpdateEndpoint": {"service": "sagemaker", "operation": "UpdateEndpoint"},
    "WaitForEndpoint": {
        "service": "lambda",
        "operation": "Invoke",
        "contains": "EndpointWait",
        "skip": 1,
    },
    "TestModel": {"service": "sagemaker", "operation": "InvokeEndpoint"},
}
REFUSED = {
    "effect": "error",
    "status": 400,
    "code": "AccessDeniedException",
    "message": "not today",
    "times": None,
}
# `AmazonSageMakerException` is retried: the model of the API knows this error by its name.
IN_USE = {**REFUSED, "code": "ResourceInUse"}
# an execution that may not have staging goes to and fro between these
AWAITING_STAGING = ("AcquireStaging", "PauseForStaging")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, datasets: Any) -> Iterator[Pipeline]:
    """A pipeline in an account of its own, with a staging endpoint and a subscriber."""
    with start_account(tmp_path_factory.mktemp("faulty")) as running:
        deployed = deploy(running, "dev", datasets)
        put_images(deployed)
        subscribe(deployed)
        deployed.upload(datasets / "v1.0", "v1.0")
        deployed.until(deployed.executions)
        (first,) = deployed.executions()
        assert deployed.ended(first)["status"] == "SUCCEEDED"
        yield deployed


def assert_nothing_is_left(
    pipeline: Pipeline, arn: str, served: str, versions: int, *, registered: bool
) -> None:
    """The end of a run that did not succeed, whatever it had come to."""
    assert leftovers(pipeline, run_name(pipeline, arn)) == []
    assert serving(pipeline) == served
    assert lock(pipeline) is None
    added = pipeline.versions()[versions:]
    assert [each["ModelApprovalStatus"] for each in added] == ["Rejected"] * registered


def fails(pipeline: Pipeline, *faults: Fault, eta: float) -> tuple[str, Execution]:
    """Run with faults, until the run and all that has to follow have ended."""
    with pipeline.account.faults(*faults):
        arn = pipeline.start("v1.0", hyperparameters={"eta": str(eta)})
        client = pipeline.account.client("stepfunctions")
        pipeline.until(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING")
    return arn, pipeline.ended(arn)


def test_every_state_that_is_throttled_once_is_retried_and_the_run_succeeds(
    faulty: Pipeline,
) -> None:
    throttled = {"effect": "error", "code": "ThrottlingException", "status": 400, "times": 1}
    lambdas = {"effect": "error", "code": "TooManyRequestsException", "status": 429, "times": 1}
    integrations = [
        {**fault, **throttled} for fault in NEEDED.values() if fault["service"] == "sagemaker"
    ]
    functions = [
        {"service": "lambda", "operation": "Invoke", "contains": name, **lambdas}
        for name in (
            *("PrepareRun", "EvaluationReader", "ModelRegistry"),
            *("StagingLock", "EndpointWait", "ModelTest"),
        )
    ]
    pages(faulty)
    with faulty.account.faults(*integrations, *functions):
        arn = faulty.start("v1.0", hyperparameters={"eta": "0.11"})
        execution = faulty.ended(arn)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    pages_ = faulty.account.client("stepfunctions").get_paginator("get_execution_history")
    failed = [
        event
        for page in pages_.paginate(executionArn=arn)
        for event in page["events"]
        if event["type"] == "TaskFailed"
    ]
    names = {event["taskFailedEventDetails"]["error"] for event in failed}
    assert names == {"SageMaker.AmazonSageMakerException", "Lambda.TooManyRequestsException"}
    assert len(failed) >= 12
    (message,) = pages(faulty)
    assert "SUCCEEDED" in message


def test_a_limit_that_is_raised_in_time_is_waited_for(faulty: Pipeline) -> None:
    limit = {"effect": "error", "code": "ResourceLimitExceeded", "status": 400, "times": 1}
    with faulty.account.faults({**NEEDED["TrainModel"], **limit}):
        execution = faulty.ended(faulty.start("v1.0", hyperparameters={"eta": "0.12"}))
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert len(pages(faulty)) == 1


@pytest.mark.parametrize(("number", "state"), list(enumerate(NEEDED)))
def test_a_state_that_fails_for_good_is_reported_once_and_leaves_nothing(
    faulty: Pipeline, number: int, state: str
) -> None:
    served, versions, needed = serving(faulty), len(faulty.versions()), NEEDED[state]
    pages(faulty)
    integration = needed["service"] == "sagemaker" and state not in (
        "RegisterModelVersion",
        "TestModel",
    )
    refusal = IN_USE if integration else REFUSED
    arn, execution = fails(faulty, {**needed, **refusal}, eta=0.2 + number / 100)

    assert execution["status"] == "FAILED"
    assert execution["cause"].startswith(f"{state}: ")
    assert arn in execution["cause"]
    registered = list(NEEDED).index(state) > list(NEEDED).index("RegisterModelVersion")
    assert_nothing_is_left(faulty, arn, served, versions, registered=registered)
    (message,) = pages(faulty)
    for told in (state, execution["error"], served, arn.rpartition(":")[2], "mlops runs"):
        assert told in message


@pytest.mark.parametrize(
    "state",
    [
        *("ValidateDataset", "TrainModel", "EvaluateModel"),
        *("PauseBeforeNextLook", "TestModel"),
    ],
)
def test_an_execution_that_is_stopped_leaves_nothing(faulty: Pipeline, state: str) -> None:
    for attempt in ATTEMPTS:
        served, versions = serving(faulty), len(faulty.versions())
        pages(faulty)
        with run_in(faulty, state, f"0.4{hash_of(state)}", attempt) as arn:
            if arn and stop(faulty, arn, state, error="OperatorStopped", cause="enough"):
                break
    else:
        pytest.fail(f"no run was stopped in {state}")
    registered = state not in ("ValidateDataset", "TrainModel", "EvaluateModel")
    assert_nothing_is_left(faulty, arn, served, versions, registered=registered)
    (message,) = pages(faulty)
    for told in ("ABORTED", "OperatorStopped", "enough", served):
        assert told in message


def hash_of(text: str) -> int:
    return sum(text.encode())


@contextmanager
def limited(pipeline: Pipeline, seconds: int) -> Iterator[None]:
    """Let the same state machine allow its executions a few seconds only."""
    client, arn = pipeline.account.client("stepfunctions"), pipeline.outputs["StateMachineArn"]
    definition = client.describe_state_machine(stateMachineArn=arn)["definition"]
    hasty = json.dumps({**json.loads(definition), "TimeoutSeconds": seconds})
    client.update_state_machine(stateMachineArn=arn, definition=hasty)
    try:
        yield
    finally:
        client.update_state_machine(stateMachineArn=arn, definition=definition)


@pytest.mark.parametrize(("states", "seconds"), [(("TrainModel",), 3), (AWAITING_STAGING, 40)])
def test_an_execution_that_runs_out_of_time_leaves_nothing(
    faulty: Pipeline, states: tuple[str, ...], seconds: int
) -> None:
    served, versions = serving(faulty), len(faulty.versions())
    pages(faulty)
    waits = states == AWAITING_STAGING
    long = {} if waits else {"num_round": "10000"}
    if waits:
        hold(faulty)
    try:
        with limited(faulty, seconds):
            arn = faulty.start("v1.0", hyperparameters={"eta": "0.45", **long})
            execution = faulty.ended(arn)
    finally:
        release(faulty)
    assert execution["status"] == "TIMED_OUT"
    assert_nothing_is_left(faulty, arn, served, versions, registered=waits)
    (message,) = pages(faulty)
    for told in ("TIMED_OUT", served):
        assert told in message
    assert any(state in message for state in states)


def hold(pipeline: Pipeline) -> None:
    """Hold staging as the reconciler does: nobody else's execution may go on for a while."""
    pipeline.account.client("dynamodb").put_item(
        TableName=pipeline.outputs["RunTableName"],
        Item={
            "id": {"S": "staging-lock"},
            "holder": {"S": "endpoint-expiry"},
            "since": {"N": str(int(time.time()))},
        },
    )


def release(pipeline: Pipeline) -> None:
    item = lock(pipeline)
    if item and item["holder"]["S"] == "endpoint-expiry":
        pipeline.account.client("dynamodb").delete_item(
            TableName=pipeline.outputs["RunTableName"], Key={"id": {"S": "staging-lock"}}
        )


def test_a_model_that_fails_its_test_is_taken_off_staging_again(faulty: Pipeline) -> None:
    served, versions = serving(faulty), len(faulty.versions())
    pages(faulty)
    fault = {**NEEDED["TestModel"], **REFUSED, "code": "ModelError", "status": 424}
    arn, execution = fails(faulty, fault, eta=0.5)
    assert execution["status"] == "FAILED"
    assert "UpdateEndpoint" in faulty.states(execution)
    assert_nothing_is_left(faulty, arn, served, versions, registered=True)
    assert len(pages(faulty)) == 1


@pytest.mark.parametrize(
    ("function", "service", "operation"),
    [
        ("PrepareRunLambda", "s3", "PutObject"),
        ("ModelRegistryLambda", "sagemaker", "CreateModelPackage"),
        ("StagingLockLambda", "dynamodb", "PutItem"),
    ],
)
def test_a_lambda_that_dies_after_its_deed_does_it_once(
    faulty: Pipeline, function: str, service: str, operation: str
) -> None:
    versions = len(faulty.versions())
    pages(faulty)
    crash = {
        "service": service,
        "operation": operation,
        "effect": "kill_after",
        "function": function,
        "times": 1,
    }
    with faulty.account.faults(crash):
        arn = faulty.start("v1.0", hyperparameters={"eta": "0.6", "seed": str(hash_of(function))})
        execution = faulty.ended(arn)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert len(faulty.versions()) == versions + 1
    assert len(pages(faulty)) == 1


@pytest.mark.parametrize("operation", ["DeleteModel", "DeleteEndpointConfig", "UpdateModelPackage"])
@pytest.mark.parametrize("effect", ["kill_after", "kill_before", "lost"])
def test_run_ended_that_dies_ends_the_run_the_next_time(
    faulty: Pipeline, operation: str, effect: str
) -> None:
    served, versions = serving(faulty), len(faulty.versions())
    pages(faulty)
    crash = {
        "service": "sagemaker",
        "operation": operation,
        "effect": effect,
        "function": "RunEndedLambda",
        "times": 1,
    }
    fault = {**NEEDED["TestModel"], **REFUSED}
    arn, _ = fails(faulty, crash, fault, eta=0.7 + hash_of(operation + effect) % 97 / 1000)
    assert_nothing_is_left(faulty, arn, served, versions, registered=True)
    assert len(pages(faulty)) == 1


def test_late_duplicate_and_reordered_events_change_nothing(faulty: Pipeline) -> None:
    served, versions = serving(faulty), len(faulty.versions())
    arn, execution = fails(faulty, {**NEEDED["TrainModel"], **IN_USE}, eta=0.81)
    pages(faulty)
    for status in ("SUCCEEDED", "FAILED", "ABORTED", "FAILED"):
        detail = {
            "executionArn": execution["executionArn"],
            "stateMachineArn": faulty.outputs["StateMachineArn"],
            "status": status,
        }
        faulty.deliver("aws.states", "Step Functions Execution Status Change", detail)
    time.sleep(3)
    assert_nothing_is_left(faulty, arn, served, versions, registered=False)
    assert pages(faulty) == []


def test_a_lost_end_is_made_up_for_by_the_reconciler(faulty: Pipeline) -> None:
    served, versions = serving(faulty), len(faulty.versions())
    pages(faulty)
    events = faulty.account.client("events")
    rules = [rule["Name"] for rule in events.list_rules()["Rules"] if "RunEndings" in rule["Name"]]
    assert len(rules) == 2
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        with faulty.account.faults({**NEEDED["TestModel"], **REFUSED}):
            arn = faulty.start("v1.0", hyperparameters={"eta": "0.82"})
            client = faulty.account.client("stepfunctions")
            faulty.until(lambda: client.describe_execution(executionArn=arn)["status"] == "FAILED")
        # the reconciler leaves executions alone that ended within the last minute
        faulty.until(lambda: faulty.is_completed(arn), seconds=240)
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)
    assert_nothing_is_left(faulty, arn, served, versions, registered=True)
    assert len(pages(faulty)) == 1
