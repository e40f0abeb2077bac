"""The interpreter's `sagemaker` integrations call, wait and fail as Step Functions does."""

import json
import time
from typing import Any

import pytest

from tests.account.sagemaker_fixture import ROLE, Lab, lab  # noqa: F401

State = dict[str, Any]


def _task(action: str, parameters: dict[str, Any], **more: Any) -> State:
    resource = f"arn:aws:states:::sagemaker:{action}"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **more}


def _execute(
    lab: Lab,  # noqa: F811
    name: str,
    states: dict[str, State],
    given: Any = None,
) -> dict[str, Any]:
    client = lab.client("stepfunctions")
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    machine = client.create_state_machine(name=name, definition=definition, roleArn=ROLE)
    started = client.start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps(given or {})
    )
    deadline = time.monotonic() + 30
    while True:
        execution = client.describe_execution(executionArn=started["executionArn"])
        if execution["status"] != "RUNNING":
            return dict(execution)
        assert time.monotonic() < deadline, execution
        time.sleep(0.05)


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
    train = _task("createTrainingJob.sync", request, TimeoutSeconds=1)
    execution = _execute(lab, "slow", {"Train": train})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout")
    lab.client("sagemaker").stop_training_job(TrainingJobName="slow")


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
