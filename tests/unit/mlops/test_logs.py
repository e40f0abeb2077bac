"""The log of a run is that of the state that failed, of the last job, or of the one named."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops.errors import MissingError
from mlops.history import Job, read_history
from mlops.logs import function_log, job_log, visit_with_log
from mlops.target import Target
from tests.unit.mlops.factories import event, failing_events

ARN = "arn:aws:lambda:us-east-1:123456789012:function:prepare"


def _events(output: str = "{}") -> list[dict[str, Any]]:
    job = '{"ProcessingJobName": "example-v1-0-abc-1-validate"}'
    return [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 1, name="PrepareRun", input='{"dataset": "v1.0"}'),
        event(3, 0, "TaskScheduled", 2, parameters=f'{{"FunctionName": "{ARN}", "Payload": 1}}'),
        event(4, 1, "TaskSucceeded", 3, output=output),
        event(5, 1, "TaskStateExited", 4, name="PrepareRun"),
        event(6, 1, "TaskStateEntered", 5, name="ValidateDataset", input='{"run": {"a": 1}}'),
        event(7, 1, "TaskScheduled", 6, parameters=job),
        event(8, 2, "TaskStateExited", 7, name="ValidateDataset"),
    ]


class Logs:
    """CloudWatch Logs with one group and one stream in two pages."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages
        self.asked: dict[str, Any] = {}

    def get_paginator(self, name: str) -> "Logs":
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        self.asked = request
        return [{"events": [{"message": message} for message in self.messages]}]

    def describe_log_streams(self, **request: str) -> dict[str, Any]:
        return {"logStreams": [{"logStreamName": request["logStreamNamePrefix"] + "algo-1"}]}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        end = len(self.messages) - 2 * int(request.get("nextToken", 0))
        page = self.messages[max(0, end - 2) : max(0, end)]
        following = str(int(request.get("nextToken", 0)) + 1)
        return {"events": [{"message": each} for each in page], "nextBackwardToken": following}


def _target(logs: Logs, group: str = "prepare-logs") -> Target:
    configured = {"FunctionName": "prepare", "LoggingConfig": {"LogGroup": group}}
    functions = SimpleNamespace(get_function_configuration=lambda FunctionName: configured)
    return cast("Target", SimpleNamespace(logs=logs, lambda_=functions))


def test_without_a_state_it_is_the_one_that_failed_or_the_last_job() -> None:
    assert visit_with_log(read_history(failing_events()), None).name == "TrainModel"
    assert visit_with_log(read_history(_events()), None).name == "ValidateDataset"


def test_a_state_is_found_by_its_name() -> None:
    visit = visit_with_log(read_history(_events()), "PrepareRun")
    assert (visit.function, visit.job) == (ARN, None)


def test_a_state_without_a_log_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(MissingError, match="state Nope has no log .*: PrepareRun, ValidateDataset"):
        visit_with_log(read_history(_events()), "Nope")
    with pytest.raises(MissingError, match="none yet"):
        visit_with_log(read_history(_events()[:1]), None)


def test_the_whole_log_of_a_job_is_read_page_by_page() -> None:
    job = Job("example", "/aws/sagemaker/TrainingJobs")
    target = _target(Logs(["1", "2", "3", "4", "5"]))
    assert job_log(target, job, 100) == ["1", "2", "3", "4", "5"]
    assert job_log(target, job, 2) == ["4", "5"]


def test_a_lambda_s_lines_are_those_of_its_request() -> None:
    logs = Logs(["START a1", "START b2", "a1 said", "b2 said"])
    output = '{"SdkResponseMetadata": {"RequestId": "b2"}}'
    visit = visit_with_log(read_history(_events(output)), "PrepareRun")
    assert function_log(_target(logs), visit, 10) == ["START b2", "b2 said"]
    assert logs.asked["logGroupName"] == "prepare-logs"
    assert logs.asked["endTime"] - logs.asked["startTime"] == 3000


def test_without_a_request_s_id_they_are_all_of_that_time() -> None:
    visit = visit_with_log(read_history(_events()), "PrepareRun")
    assert function_log(_target(Logs(["one", "other"])), visit, 10) == ["one", "other"]


def test_the_context_is_what_the_last_state_was_entered_with() -> None:
    assert read_history(_events()).context == {"run": {"a": 1}}
    assert read_history(_events()[:1]).context == {}


def test_each_visit_and_each_retry_is_a_transition() -> None:
    assert read_history(_events()).transitions == 2
    retried = [
        *_events()[:3],
        event(4, 1, "TaskFailed", 3, error="Throttled"),
        event(5, 2, "TaskSucceeded", 4, output="{}"),
        event(6, 2, "TaskStateExited", 5, name="PrepareRun"),
    ]
    assert read_history(retried).transitions == 2
