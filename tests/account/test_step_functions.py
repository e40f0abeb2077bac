"""The interpreter's `sagemaker` integrations call, wait and fail as Step Functions does."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.sagemaker_fixture import Lab, lab, until  # noqa: F401
from tests.account.workloads import State, create_function, ended, execute, machine, task


def _execute(
    lab: Lab,  # noqa: F811
    name: str,
    states: dict[str, State],
    given: Any = None,
) -> dict[str, Any]:
    return execute(lab.account, name, states, given)


def _task(action: str, parameters: dict[str, Any], **more: Any) -> State:
    return task(f"sagemaker:{action}", parameters, **more)


def test_sync_waits_for_the_job_and_returns_its_description(lab: Lab) -> None:  # noqa: F811
    request = lab.training_request("waited-for")
    execution = _execute(lab, "waits", {"Train": _task("createTrainingJob.sync", request)})
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    description = json.loads(execution["output"])
    assert description["TrainingJobStatus"] == "Completed"
    assert description["ModelArtifacts"]["S3ModelArtifacts"].endswith("/model.tar.gz")
    assert isinstance(description["CreationTime"], int), "times are epoch milliseconds"


def test_a_job_that_fails_is_a_task_that_failed_with_its_description_as_cause(
    lab: Lab,  # noqa: F811
) -> None:
    request = lab.training_request("fails-as-task", exit="3")
    execution = _execute(lab, "fails", {"Train": _task("createTrainingJob.sync", request)})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(execution["cause"])
    assert cause["TrainingJobStatus"] == "Failed"
    assert cause["FailureReason"].startswith("AlgorithmError")


def test_a_failed_job_is_caught_and_its_cause_kept_where_the_catcher_says(
    lab: Lab,  # noqa: F811
) -> None:
    caught = {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failed.Train", "Next": "Done"}
    train = _task(
        "createTrainingJob.sync", lab.training_request("is-caught", exit="3"), Catch=[caught]
    )
    execution = _execute(
        lab, "catches", {"Train": train, "Done": {"Type": "Pass", "End": True}}, {"kept": True}
    )
    output = json.loads(execution["output"])
    assert output["kept"]
    assert output["failed"]["Train"]["Error"] == "States.TaskFailed"
    assert json.loads(output["failed"]["Train"]["Cause"])["TrainingJobName"] == "is-caught"


def test_a_refused_request_has_the_name_of_all_unmodelled_errors(lab: Lab) -> None:  # noqa: F811
    parameters = {"EndpointConfigName": "nowhere", "EndpointName": "refused"}
    execution = _execute(lab, "refused", {"Create": _task("createEndpoint", parameters)})
    assert execution["error"] == "SageMaker.AmazonSageMakerException"
    assert "Service: AmazonSageMaker; Status Code: 400" in execution["cause"]
    assert "Error Code: ValidationException" in execution["cause"]


def test_a_name_that_is_taken_has_the_name_of_its_modelled_error(lab: Lab) -> None:  # noqa: F811
    lab.train("taken-by-another")
    request = lab.training_request("taken-by-another")
    execution = _execute(lab, "taken", {"Train": _task("createTrainingJob", request)})
    assert execution["error"] == "SageMaker.ResourceInUseException"


def test_a_task_that_takes_too_long_times_out(lab: Lab) -> None:  # noqa: F811
    request = lab.training_request("slow", sleep="20")
    train = _task("createTrainingJob.sync", request, TimeoutSeconds=5)
    execution = _execute(lab, "slow", {"Train": train})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout")
    assert lab.ended_training("slow")["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize("metrics", [{}, {"rmse": "low"}])
def test_a_choice_can_tell_a_missing_or_malformed_figure(
    lab: Lab,  # noqa: F811
    metrics: dict[str, Any],
) -> None:
    present = {"Variable": "$.metrics.rmse", "IsPresent": True}
    numeric = {"Variable": "$.metrics.rmse", "IsNumeric": True}
    check = {
        "Type": "Choice",
        "Choices": [{"Not": {"And": [present, numeric]}, "Next": "Missing"}],
        "Default": "There",
    }
    states: dict[str, State] = {
        "Check": check,
        "There": {"Type": "Succeed"},
        "Missing": {"Type": "Fail", "Error": "MetricsMissing", "Cause": "none"},
    }
    name = f"missing-{len(metrics)}"
    assert _execute(lab, name, states, {"metrics": metrics})["error"] == "MetricsMissing"
    assert _execute(lab, f"{name}-there", states, {"metrics": {"rmse": 2.1}})["status"] == (
        "SUCCEEDED"
    )


def _refusing(missing: State) -> dict[str, State]:
    check = {"Type": "Choice", "Choices": [{**missing, "Next": "There"}], "Default": "Other"}
    return {"Check": check, "There": {"Type": "Succeed"}, "Other": {"Type": "Succeed"}}


@pytest.mark.parametrize("operator", [{"NumericLessThan": 3}, {"IsNull": True}, {"IsString": True}])
def test_a_choice_on_a_missing_path_fails_and_takes_no_default(
    lab: Lab,  # noqa: F811
    operator: dict[str, Any],
) -> None:
    states = _refusing({"Variable": "$.metrics.rmse", **operator})
    name = f"absent-{next(iter(operator))}"
    execution = _execute(lab, name, states, {"metrics": {}})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert "Invalid path '$.metrics.rmse'" in execution["cause"]
    assert _execute(lab, f"{name}-there", states, {"metrics": {"rmse": 4}})["status"] == "SUCCEEDED"


def test_a_job_that_is_stopped_is_a_task_that_failed(lab: Lab) -> None:  # noqa: F811
    request = lab.training_request("stopped-by-hand", sleep="20")
    client = lab.client("stepfunctions")
    arn = machine(
        lab.account, "stopped-by-hand", {"Train": _task("createTrainingJob.sync", request)}
    )
    execution = client.start_execution(stateMachineArn=arn)["executionArn"]
    until(lambda: _status(lab, "stopped-by-hand"))
    lab.client("sagemaker").stop_training_job(TrainingJobName="stopped-by-hand")
    description = ended(lab.account, execution)
    assert (description["status"], description["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(description["cause"])["TrainingJobStatus"] == "Stopped"


def _status(lab: Lab, name: str) -> Any:  # noqa: F811
    sagemaker = lab.client("sagemaker")
    try:
        return sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
    except ClientError:
        return None


@pytest.fixture(scope="module")
def function(lab: Lab) -> str:  # noqa: F811
    return create_function(lab.account, "called", Timeout=1)


def _call(function: str, payload: dict[str, Any], **more: Any) -> State:
    return task("lambda:invoke", {"FunctionName": function, "Payload": payload}, **more)


@pytest.mark.parametrize(
    ("payload", "said"),
    [({"sleep": 5}, "timed out after 1.00 seconds"), ({"exit": True}, "Runtime exited")],
)
def test_a_function_that_could_not_answer_failed_for_an_unknown_reason(
    lab: Lab,  # noqa: F811
    function: str,
    payload: dict[str, Any],
    said: str,
) -> None:
    name = f"unknown-{next(iter(payload))}"
    execution = _execute(lab, name, {"Call": _call(function, payload)})
    assert execution["error"] == "Lambda.Unknown"
    assert execution["cause"].startswith("The cause could not be determined")
    assert said in execution["cause"]


def test_what_a_function_raises_is_its_error_and_cause(lab: Lab, function: str) -> None:  # noqa: F811
    execution = _execute(lab, "raises", {"Call": _call(function, {"raise": "no such row"})})
    assert execution["error"] == "ValueError"
    assert json.loads(execution["cause"])["errorMessage"] == "no such row"


CAUGHT: State = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}], "Next": "Caught"}
AGAIN: State = {"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"payload": {"padding": 300_000}}, "States.DataLimitExceeded"),
        ({"payload": {"raise.$": "$.missing"}}, "States.Runtime"),
    ],
)
def test_no_catcher_of_all_errors_sees_these(
    lab: Lab,  # noqa: F811
    function: str,
    call: dict[str, Any],
    error: str,
) -> None:
    states = {"Call": _call(function, **call, **CAUGHT, **AGAIN), "Caught": {"Type": "Succeed"}}
    execution = _execute(lab, f"uncaught-{error.partition('.')[2]}", states)
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert execution["cause"]
