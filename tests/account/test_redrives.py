"""Executions that failed go on where they failed; histories end, and are logged, as on AWS."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import create_role
from tests.account.sagemaker_fixture import until
from tests.account.test_executions import _changes, _history, _listen, _start, _stop, _types
from tests.account.workloads import State, create_function, ended, execute, machine, task
from tests.conftest import RunningAccount

ONCE = """
    calls = 0

    def handler(event, context):
        global calls
        calls += 1
        if calls == 1:
            raise ValueError("not yet")
        return {"calls": calls, **event}
"""


def _refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_redriven_execution_goes_on_at_the_state_that_failed(account: RunningAccount) -> None:
    function = create_function(account, "second-time", ONCE, Timeout=20)
    payload = {"count.$": "$$.Execution.RedriveCount", "made.$": "$.made"}
    call = task("lambda:invoke", {"FunctionName": function, "Payload": payload})
    before = {"Type": "Pass", "Parameters": {"made": 1}, "Next": "Call"}
    arn = machine(account, "second-time", {"Before": before, "Call": call})
    url = _listen(account, "second-time", arn)
    execution = _start(account, arn, name="one")
    failed = ended(account, execution)
    assert (failed["status"], failed["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    first = _history(account, execution)["events"]
    _changes(account, url)

    client = account.client("stepfunctions")
    redriven = client.redrive_execution(executionArn=execution, clientToken="a")
    again = client.redrive_execution(executionArn=execution, clientToken="a")
    assert again["redriveDate"] == redriven["redriveDate"]
    done = ended(account, execution)
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 1)
    assert done["redriveDate"] == redriven["redriveDate"]
    assert (done["startDate"], done["name"]) == (failed["startDate"], "one")
    assert "error" not in done
    assert json.loads(done["output"])["Payload"] == {"calls": 2, "count": 1, "made": 1}

    events = _history(account, execution)["events"]
    assert events[: len(first)] == first
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    new = events[len(first) :]
    assert [event["type"] for event in new] == [
        *("ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSucceeded"),
        *("TaskStateExited", "ExecutionSucceeded"),
    ]
    assert new[0]["executionRedrivenEventDetails"] == {"redriveCount": 1}
    assert [event["previousEventId"] for event in new] == [event["id"] - 1 for event in new]
    changes = _changes(account, url)
    assert {event["detail"]["redriveCount"] for event in changes.values()} == {1}
    assert changes["RUNNING"]["detail"]["redriveDate"]
    listed = client.list_executions(stateMachineArn=arn)["executions"]
    assert [found["redriveCount"] for found in listed] == [1]


def test_what_runs_or_succeeded_is_not_redriven(account: RunningAccount) -> None:
    redrive = account.client("stepfunctions").redrive_execution
    wait = {"Type": "Wait", "Seconds": 60, "End": True}
    running = _start(account, machine(account, "not-redriven", {"Wait": wait}))
    refused = _refusal(redrive, executionArn=running)
    assert refused == ("ExecutionNotRedrivable", "Execution is RUNNING and cannot be redriven.")
    _stop(account, running)
    done = execute(account, "succeeded", {"Done": {"Type": "Succeed"}})
    refused = _refusal(redrive, executionArn=done["executionArn"])
    assert refused == ("ExecutionNotRedrivable", "Execution is SUCCEEDED and cannot be redriven.")
    assert done["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"


def test_a_fail_state_is_entered_again_and_a_stopped_wait_goes_on(account: RunningAccount) -> None:
    client = account.client("stepfunctions")
    fail = execute(account, "fails-again", {"Stop": {"Type": "Fail", "Error": "Mine"}})
    client.redrive_execution(executionArn=fail["executionArn"])
    again = ended(account, fail["executionArn"])
    assert (again["status"], again["redriveCount"]) == ("FAILED", 1)
    assert _types(account, again["executionArn"])[-2:] == ["FailStateEntered", "ExecutionFailed"]

    wait = {"Type": "Wait", "Seconds": 2, "End": True}
    execution = _start(account, machine(account, "waits-again", {"Wait": wait}))
    _stop(account, execution)
    client.redrive_execution(executionArn=execution)
    assert ended(account, execution)["status"] == "SUCCEEDED"


def test_a_parallel_state_is_not_redriven(account: RunningAccount) -> None:
    stop = {"StartAt": "Stop", "States": {"Stop": {"Type": "Fail", "Error": "Mine"}}}
    both = {"Type": "Parallel", "Branches": [stop], "End": True}
    failed = execute(account, "both", {"Both": both})
    redrive = account.client("stepfunctions").redrive_execution
    code, said = _refusal(redrive, executionArn=failed["executionArn"])
    assert (code, "Parallel" in said) == ("UnsupportedOperation", True)


def test_an_execution_that_never_ends_is_ended(account: RunningAccount) -> None:
    states: dict[str, State] = {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "C"}],
            "Default": "A",
        },
        "C": {"Type": "Succeed"},
    }
    execution = _start(account, machine(account, "endless", states))
    failed = until(
        lambda: found if (found := _described(account, execution))["stopDate"] else None, 60
    )
    assert (failed["status"], failed["error"]) == ("FAILED", "States.Runtime")
    said = "The execution reached the maximum number of history events (25000)."
    assert failed["cause"] == said
    assert failed["redriveStatus"] == "NOT_REDRIVABLE"
    last = _history(account, execution, reverseOrder=True, maxResults=1)["events"][0]
    assert (last["id"], last["type"]) == (25_000, "ExecutionFailed")


def _described(account: RunningAccount, execution: str, **more: Any) -> dict[str, Any]:
    client = account.client("stepfunctions")
    found = client.describe_execution(executionArn=execution, **more)
    return {"stopDate": None, **found}


def test_data_can_be_left_out_of_a_description(account: RunningAccount) -> None:
    done = execute(account, "described", {"Done": {"Type": "Pass", "End": True}}, {"a": "b"})
    assert (done["inputDetails"], done["outputDetails"]) == ({"included": True},) * 2
    assert done["output"] == '{"a":"b"}'
    bare = _described(account, done["executionArn"], includedData="METADATA_ONLY")
    assert not {"input", "output"} & set(bare)
    assert (bare["inputDetails"], bare["outputDetails"]) == ({"included": False},) * 2
    text = execute(account, "texts", {"Done": {"Type": "Pass", "Result": "b", "End": True}})
    assert text["output"] == '"b"'


def test_long_errors_are_cut(account: RunningAccount) -> None:
    stop = {"Type": "Fail", "ErrorPath": "$.error", "CausePath": "$.cause"}
    given = {"error": "e" * 300, "cause": "c" * 33_000}
    failed = execute(account, "long", {"Stop": stop}, given)
    assert (len(failed["error"]), len(failed["cause"])) == (256, 32_768)
    last = _history(account, failed["executionArn"])["events"][-1]["executionFailedEventDetails"]
    assert (len(last["error"]), len(last["cause"])) == (256, 32_768)


@pytest.mark.parametrize(("length", "status"), [(262_136, "SUCCEEDED"), (262_137, "FAILED")])
def test_a_state_passes_on_256_kib(account: RunningAccount, length: int, status: str) -> None:
    half = "x" * (length // 2)
    text = "States.Format('{}{}x', $.t, $.t)" if length % 2 else "States.Format('{}{}', $.t, $.t)"
    made = {"Type": "Pass", "Parameters": {"t.$": text}, "End": True}
    found = execute(account, f"full-{length}", {"Made": made}, {"t": half})
    assert found["status"] == status
    assert found.get("error") == (None if status == "SUCCEEDED" else "States.DataLimitExceeded")


def test_an_input_that_is_too_long_or_no_json_is_refused(account: RunningAccount) -> None:
    arn = machine(account, "choosy", {"Done": {"Type": "Succeed"}})
    start = account.client("stepfunctions").start_execution
    code, said = _refusal(start, stateMachineArn=arn, input=json.dumps("x" * 262_143))
    assert code == "ValidationException"
    assert said == (
        "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must "
        "have length less than or equal to 262144"
    )
    assert _refusal(start, stateMachineArn=arn, input="{")[0] == "InvalidExecutionInput"
    assert _refusal(start, stateMachineArn=arn, name="a b")[0] == "InvalidName"


def test_a_choice_that_matches_nothing_fails(account: RunningAccount) -> None:
    rule = {"Variable": "$.a", "IsNull": True, "Next": "Done"}
    states: dict[str, State] = {
        "Choose": {"Type": "Choice", "Choices": [rule]},
        "Done": {"Type": "Succeed"},
    }
    failed = execute(account, "unmatched", states, {"a": 1})
    assert failed["error"] == "States.Runtime"
    assert failed["cause"] == (
        "An error occurred while executing the state 'Choose' (entered at the event id #2). "
        "Failed to transition out of the state. The state does not point to a next state."
    )


@pytest.mark.parametrize(("level", "types"), [("ALL", 4), ("ERROR", 2), ("FATAL", 1)])
def test_executions_write_their_log(account: RunningAccount, level: str, types: int) -> None:
    name, client, logs = f"logs-{level}", account.client("stepfunctions"), account.client("logs")
    logs.create_log_group(logGroupName=f"/machine/{name}")
    group = f"arn:aws:logs:us-east-1:123456789012:log-group:/machine/{name}:*"
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Fail", "Error": "Mine"}}
    arn = client.create_state_machine(
        name=name,
        roleArn=create_role(account, "machine", "states"),
        definition=json.dumps({"StartAt": "A", "States": states}),
        loggingConfiguration={
            "level": level,
            "includeExecutionData": False,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
        },
    )["stateMachineArn"]
    execution = _start(account, arn, input='{"a": 1}')
    ended(account, execution)
    events = logs.filter_log_events(logGroupName=f"/machine/{name}")["events"]
    entries = [json.loads(event["message"]) for event in events]
    assert len(entries) == types + (level == "ALL")
    assert events[0]["logStreamName"].startswith(f"states/{name}/")
    last = entries[-1]
    assert (last["type"], last["details"]) == ("ExecutionFailed", {"error": "Mine"})
    assert last["execution_arn"] == execution
    assert last["redrive_count"] == "0"
    assert int(last["event_timestamp"]) == events[-1]["timestamp"]
    assert not any("input" in entry["details"] for entry in entries)
