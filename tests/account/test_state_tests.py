"""TestState: one state, with a mock in its service's place or with the service itself."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import create_role
from tests.account.workloads import State, create_function, task
from tests.conftest import RunningAccount

PARAMETERS = {
    "TrainingJobName.$": "$.name",
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
    "RoleArn": "r",
    "OutputDataConfig": {"S3OutputPath": "s3://b"},
    "ResourceConfig": {"VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
RETRY = {"ErrorEquals": ["Mine"], "IntervalSeconds": 3, "MaxAttempts": 2, "MaxDelaySeconds": 5}
CATCH = {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failed", "Next": "Explain"}
TRAIN = task(
    "sagemaker:createTrainingJob.sync",
    PARAMETERS,
    ResultSelector={"status.$": "$.TrainingJobStatus"},
    ResultPath="$.training",
    Retry=[RETRY],
    Catch=[CATCH],
    Next="Evaluate",
)
COMPLETED = {"result": '{"TrainingJobStatus": "Completed"}', "fieldValidationMode": "PRESENT"}


def _test(account: RunningAccount, state: State, given: Any = None, **more: Any) -> dict[str, Any]:
    client = account.client("stepfunctions", inject_host_prefix=False)
    params = {"input": json.dumps(given or {"name": "a"}), **more}
    found = client.test_state(definition=json.dumps(state), **params)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def _refusal(account: RunningAccount, state: State, **more: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        _test(account, state, **more)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_mocked_result_takes_the_states_way(account: RunningAccount) -> None:
    found = _test(account, TRAIN, mock=COMPLETED)
    assert (found["status"], found["nextState"]) == ("SUCCEEDED", "Evaluate")
    assert json.loads(found["output"]) == {"name": "a", "training": {"status": "Completed"}}
    assert "inspectionData" not in found
    seen = _test(account, TRAIN, mock=COMPLETED, inspectionLevel="DEBUG")["inspectionData"]
    assert json.loads(seen["input"]) == {"name": "a"}
    assert json.loads(seen["afterParameters"])["TrainingJobName"] == "a"
    assert json.loads(seen["result"]) == {"TrainingJobStatus": "Completed"}
    assert json.loads(seen["afterResultSelector"]) == {"status": "Completed"}
    assert json.loads(seen["afterResultPath"]) == json.loads(found["output"])


def test_a_state_of_a_machine_is_tested_by_name(account: RunningAccount) -> None:
    definition = {"StartAt": "Train", "States": {"Train": TRAIN, "Evaluate": {"Type": "Succeed"}}}
    found = _test(account, definition, stateName="Train", mock=COMPLETED)
    assert found["nextState"] == "Evaluate"
    code, said = _refusal(account, definition, stateName="Tran", mock=COMPLETED)
    assert (code, said) == ("ValidationException", "State not found in definition: 'Tran'")


@pytest.mark.parametrize(("retries", "seconds"), [(0, 3), (1, 5)])
def test_an_error_that_would_be_retried_says_when(
    account: RunningAccount, retries: int, seconds: int
) -> None:
    found = _test(
        account,
        TRAIN,
        mock={"errorOutput": {"error": "Mine", "cause": "because"}},
        stateConfiguration={"retrierRetryCount": retries},
        inspectionLevel="DEBUG",
    )
    assert (found["status"], found["error"], found["cause"]) == ("RETRIABLE", "Mine", "because")
    details = {"retryIndex": 0, "retryBackoffIntervalSeconds": seconds}
    assert found["inspectionData"]["errorDetails"] == details


@pytest.mark.parametrize(("error", "retries"), [("Mine", 2), ("States.TaskFailed", 0)])
def test_an_error_that_is_caught_goes_where_the_catcher_says(
    account: RunningAccount, error: str, retries: int
) -> None:
    found = _test(
        account,
        TRAIN,
        mock={"errorOutput": {"error": error, "cause": "because"}},
        stateConfiguration={"retrierRetryCount": retries},
        inspectionLevel="DEBUG",
    )
    assert (found["status"], found["nextState"]) == ("CAUGHT_ERROR", "Explain")
    failed = {"Error": error, "Cause": "because"}
    assert json.loads(found["output"]) == {"name": "a", "failed": failed}
    assert found["inspectionData"]["errorDetails"] == {"catchIndex": 0}


def test_what_nobody_catches_fails(account: RunningAccount) -> None:
    mock = {"errorOutput": {"error": "States.Timeout"}}
    found = _test(account, TRAIN, mock=mock)
    assert (found["status"], found["error"]) == ("FAILED", "States.Timeout")
    missing = _test(account, TRAIN, {"other": "a"}, mock=COMPLETED)
    assert (missing["status"], missing["error"]) == ("FAILED", "States.Runtime")
    assert "The JSONPath '$.name'" in missing["cause"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Type": "Pass", "Result": 1, "ResultPath": "$.b", "Next": "N"}, ("SUCCEEDED", "N")),
        ({"Type": "Pass", "End": True}, ("SUCCEEDED", None)),
        ({"Type": "Fail", "Error": "Mine"}, ("FAILED", None)),
        ({"Type": "Fail", "Cause": "because"}, ("FAILED", None)),
        ({"Type": "Fail"}, ("FAILED", None)),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "M"}]},
            ("SUCCEEDED", "M"),
        ),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "M"}]},
            ("FAILED", None),
        ),
    ],
)
def test_states_without_a_task_need_neither_role_nor_mock(
    account: RunningAccount, state: State, expected: tuple[str, str | None]
) -> None:
    found = _test(account, state, {"a": 1})
    assert (found["status"], found.get("nextState")) == expected


def test_without_a_mock_the_service_is_called_with_the_role(account: RunningAccount) -> None:
    function = create_function(account, "tested", Timeout=20)
    call = task("lambda:invoke", {"FunctionName": function, "Payload.$": "$"})
    role = create_role(account, "machine", "states")
    found = _test(account, call, {"raise": "no such row"}, roleArn=role)
    assert (found["status"], found["error"]) == ("FAILED", "ValueError")
    assert _test(account, call, roleArn=role)["status"] == "SUCCEEDED"
    said = "roleArn must be specified where no mock is given"
    assert _refusal(account, call) == ("ValidationException", said)


@pytest.mark.parametrize(
    ("state", "mock", "said"),
    [
        (TRAIN, {}, "roleArn must be specified"),
        ({"Type": "Pass", "End": True}, {"result": "1"}, "State type 'Pass' is not supported"),
        (TRAIN, {"result": "{"}, "must be valid JSON"),
        (TRAIN, {"result": "{}", "errorOutput": {"error": "A"}}, "either a result or"),
        (TRAIN, {"result": '{"TrainingJobStatus": "Completed"}'}, "'TrainingJobName' is required"),
        (TRAIN, {**COMPLETED, "result": '{"Status": 1}'}, 'The field "Status" is not supported'),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(
    account: RunningAccount, state: State, mock: dict[str, Any], said: str
) -> None:
    code, message = _refusal(account, state, **({"mock": mock} if mock else {}))
    assert code == "ValidationException"
    assert said in message


def test_a_broken_state_is_refused(account: RunningAccount) -> None:
    code, said = _refusal(account, {"Type": "Pass", "Ends": True})
    assert (code, "Field 'Ends' is not supported" in said) == ("InvalidDefinition", True)
    processor = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    inner = {"Type": "Map", "ItemProcessor": processor, "End": True}
    assert _refusal(account, inner)[0] == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("definition", "more", "said"),
    [
        ([], {}, "Value is not a JSON object"),
        ({"Type": "Pass", "End": True}, {"stateName": "A"}, "These fields are required: [StartAt"),
        ({"StartAt": "A", "States": []}, {"stateName": "A"}, "JSON object at /States"),
        ({"Type": "Pass", "End": True, "InputPath": []}, {}, "JSON string at /InputPath"),
        ({**TRAIN, "Retry": [{**RETRY, "ErrorEquals": None}]}, {"mock": COMPLETED}, "JSON array"),
        ({**TRAIN, "Retry": [{**RETRY, "BackoffRate": 0.5}]}, {"mock": COMPLETED}, "BackoffRate"),
        ({"Type": "Wait", "End": True}, {}, ""),
    ],
)
def test_a_malformed_definition_is_refused_as_one(
    account: RunningAccount, definition: Any, more: dict[str, Any], said: str
) -> None:
    code, message = _refusal(account, definition, **more)
    assert (code, said in message) == ("InvalidDefinition", True)
