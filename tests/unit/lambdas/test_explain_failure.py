"""Every failure has a name and one line that says what to do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from explain_failure.logic import explain
from explain_failure.models import CaughtError, Failure

Event = Callable[[str], Any]
EXECUTION_ARN = "arn:aws:states:eu-west-1:111122223333:execution:m:e-1"
LOG_GROUPS = {"PrepareRunLambda": "prepare-run-logs", "EndpointWaitLambda": "endpoint-logs"}


def explained(state_id: str, error: str, cause: str = "") -> Failure:
    failure = explain(
        state_id,
        CaughtError.model_validate({"Error": error, "Cause": cause}),
        execution_arn=EXECUTION_ARN,
        log_groups=LOG_GROUPS,
        endpoint_name="demo-staging",
    )
    assert "\n" not in failure.cause
    assert failure.cause.startswith(f"{state_id}: ")
    assert EXECUTION_ARN in failure.cause
    return failure


def test_a_violated_contract_is_an_invalid_data_set(event: Event) -> None:
    cause = json.dumps(event("processing_job_failed"))
    failure = explained("ValidateDataset", "States.TaskFailed", cause)
    assert failure.error == "DatasetInvalid"
    assert "train/train.csv line 12 column 3 (length): found 'abc', expected" in failure.cause
    assert "/aws/sagemaker/ProcessingJobs" in failure.cause
    assert "streams demo-v1-0-0123456789-1-validate/" in failure.cause


def test_a_validation_job_that_says_nothing_is_not_blamed_on_the_data(event: Event) -> None:
    document = event("processing_job_failed") | {"ExitMessage": None}
    failure = explained("ValidateDataset", "States.TaskFailed", json.dumps(document))
    assert failure.error == "ValidationJobFailed"
    assert "AlgorithmError: See job logs" in failure.cause


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("JobInputError: train/t.csv is in _MANIFEST.json but", "DatasetInvalid"),
        ("PlatformError: No space left on device", "ValidationJobFailed"),
        ("ContractError: contract.toml: found schema 2", "ValidationJobFailed"),
    ],
)
def test_only_errors_of_the_data_blame_the_data(event: Event, line: str, error: str) -> None:
    document = event("processing_job_failed") | {"ExitMessage": line}
    failure = explained("ValidateDataset", "States.TaskFailed", json.dumps(document))
    assert failure.error == error
    assert line in failure.cause


def test_a_failed_training_job_shows_its_reason_and_log(event: Event) -> None:
    cause = json.dumps(event("training_job_failed"))
    failure = explained("TrainModel", "States.TaskFailed", cause)
    assert failure.error == "TrainingJobFailed"
    assert "Channel 'train' has 0 files" in failure.cause
    assert "/aws/sagemaker/TrainingJobs, streams demo-v1-0-0123456789-1/" in failure.cause


def test_a_stopped_job_is_said_to_be_stopped(event: Event) -> None:
    document = event("training_job_failed") | {"TrainingJobStatus": "Stopped"}
    document.pop("FailureReason")
    failure = explained("TrainModel", "States.TaskFailed", json.dumps(document))
    assert failure.error == "TrainingJobStopped"
    assert "is Stopped" in failure.cause


def test_a_named_error_of_a_lambda_keeps_name_and_message() -> None:
    cause = json.dumps(
        {"errorMessage": "s3://b/v1/x: missing", "errorType": "DatasetInvalid", "stackTrace": []}
    )
    failure = explained("PrepareRun", "DatasetInvalid", cause)
    assert failure.error == "DatasetInvalid"
    assert failure.cause.startswith("PrepareRun: s3://b/v1/x: missing. Log group prepare-run-logs.")


def test_a_lambda_that_ran_out_of_time_points_to_its_log() -> None:
    failure = explained("WaitForEndpoint", "Lambda.Unknown", "The cause could not be determined")
    assert failure.error == "Lambda.Unknown"
    assert "Log group endpoint-logs." in failure.cause


def test_a_timeout_without_cause_names_the_state() -> None:
    failure = explained("TrainModel", "States.Timeout")
    assert failure.error == "TrainModelTimedOut"
    assert "max_runtime_seconds" in failure.cause


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("SageMaker.ResourceLimitExceededException", "Ask AWS for a higher quota"),
        ("SageMaker.ResourceInUseException", "A new attempt takes new names"),
        ("SageMaker.AmazonSageMakerException", "refused or throttled"),
    ],
)
def test_a_refused_request_keeps_its_text_and_gets_advice(error: str, advice: str) -> None:
    text = "Model already exists (Service: AmazonSageMaker; Status Code: 400; Error Code: X)"
    failure = explained("CreateModel", error, text)
    assert failure.error == error
    assert text in failure.cause
    assert advice in failure.cause


def test_json_that_is_no_object_is_plain_text() -> None:
    assert "[1, 2]" in explained("CreateModel", "X", "[1, 2]").cause


def test_long_causes_are_cut_to_what_a_person_reads() -> None:
    failure = explained("CreateModel", "E" * 300, "x" * 30_000)
    assert len(failure.cause) < 4096
    assert len(failure.error) == 256


def test_a_run_that_waited_too_long_for_staging_shows_the_locks_log() -> None:
    cause = json.dumps({"errorMessage": "Staging is held by x", "errorType": "StagingBusy"})
    failure = explain(
        "AcquireStaging",
        CaughtError.model_validate({"Error": "StagingBusy", "Cause": cause}),
        execution_arn=EXECUTION_ARN,
        log_groups={"StagingLockLambda": "lock-logs"},
        endpoint_name="demo-staging",
    )
    assert failure.error == "StagingBusy"
    assert "Staging is held by x. Log group lock-logs." in failure.cause


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        ("DatasetInvalid", False),
        ("MetricsMissing", False),
        ("ImageMissing", True),
        ("ImageInvalid", False),
        ("EndpointBusy", True),
    ],
)
def test_what_another_attempt_may_mend_is_said_to_be_worth_one(error: str, worth: bool) -> None:
    cause = json.dumps({"errorMessage": "found x", "errorType": error})
    failure = explained("PrepareRun", error, cause)
    assert (".venv/bin/mlops runs retry e-1" in failure.cause) is worth


def test_a_refused_hyperparameter_is_nothing_that_a_retry_mends() -> None:
    said = "AlgorithmError: HyperparameterError: Hyperparameter 'eta': found 'banana', expected x"
    description = {
        "TrainingJobName": "demo-1",
        "TrainingJobStatus": "Failed",
        "FailureReason": said,
    }
    failure = explained("TrainModel", "States.TaskFailed", json.dumps(description))
    assert failure.error == "HyperparametersInvalid"
    assert "runs start --set" in failure.cause
    assert "runs retry" not in failure.cause
