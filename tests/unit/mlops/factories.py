"""Events, versions and runs as the services return them, for the tests of the command line."""

from datetime import UTC, datetime, timedelta
from typing import Any

from mlops.documents import Evaluation
from mlops.runs import Run
from mlops.versions import ModelVersion

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "v1-0-2d3f5a1fb1da444c"


def event(number: int, seconds: float, kind: str, previous: int, **details: Any) -> dict[str, Any]:
    """Make one event of an execution's history; `details` are its only details."""
    key = f"{kind[0].lower()}{kind[1:]}EventDetails"
    if kind.endswith(("StateEntered", "StateExited")):
        key = "stateEnteredEventDetails" if kind.endswith("Entered") else "stateExitedEventDetails"
    return {
        "id": number,
        "previousEventId": previous,
        "timestamp": START + timedelta(seconds=seconds),
        "type": kind,
        **({key: details} if details else {}),
    }


def succeeding_events() -> list[dict[str, Any]]:
    """A loop that visits WaitForEndpoint twice."""
    return [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 0, name="WaitForEndpoint"),
        event(3, 1, "TaskSucceeded", 2),
        event(4, 1, "TaskStateExited", 3, name="WaitForEndpoint"),
        event(5, 1, "WaitStateEntered", 4, name="Pause"),
        event(6, 3, "WaitStateExited", 5, name="Pause"),
        event(7, 3, "TaskStateEntered", 6, name="WaitForEndpoint"),
        event(8, 3.5, "TaskStateExited", 7, name="WaitForEndpoint"),
        event(9, 3.5, "ExecutionSucceeded", 8),
    ]


def failing_events() -> list[dict[str, Any]]:
    """A training job that fails, is caught, explained, and ends the execution."""
    job = '{"TrainingJobName": "example-v1-0-abc-1"}'
    described = '{"FailureReason": "AlgorithmError: no rows"}'
    return [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 0, name="TrainModel"),
        event(3, 0, "TaskScheduled", 2, resourceType="sagemaker", parameters=job),
        event(4, 2, "TaskFailed", 3, error="States.TaskFailed", cause=described),
        event(5, 2, "TaskStateExited", 4, name="TrainModel"),
        event(6, 2, "FailStateEntered", 5, name="RunFailed"),
        event(7, 2, "ExecutionFailed", 6, error="TrainingFailed", cause="no rows\nat all"),
    ]


def run(name: str = NAME, dataset: str = "v1.0") -> Run:
    """Make a run that has ended."""
    arn = f"arn:aws:states:us-east-1:123456789012:execution:machine:{name}"
    return Run(
        name, arn, "upload", dataset, "1", "SUCCEEDED", "New", START, START + timedelta(seconds=4)
    )


def version(number: int, rmse: float, dataset: str = "v1.0") -> ModelVersion:
    """Make a model version with its evaluation."""
    return ModelVersion(
        number=number,
        arn=f"arn:aws:sagemaker:us-east-1:123456789012:model-package/group/{number}",
        dataset=dataset,
        evaluation_uri="s3://bucket/runs/key/1/evaluation/evaluation.json",
        evaluation=Evaluation(
            task="regression",
            metric="rmse",
            label="rings",
            metrics={"rmse": rmse, "r2": 0.52},
            baseline_name="linear",
            baseline={"rmse": 2.3},
        ),
        gate="passed",
        approval_status="PendingManualApproval",
        commit="0f1e2d3c4b5a69788796a5b4c3d2e1f001234567",
        image_digest="sha256:" + "ab" * 32,
        execution_arn=run().execution_arn,
        created=START,
        metadata={},
    )
