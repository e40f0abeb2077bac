"""Step Functions."""

import json
from typing import Any

import pytest

from tests.contract.account import Aws, refused

ECHO = {"StartAt": "Echo", "States": {"Echo": {"Type": "Pass", "End": True}}}
WAIT = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
FAIL = {"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "Mine", "Cause": "why"}}}


def _machine(aws: Aws, end: str, definition: dict[str, Any], role: str = "") -> str:
    states = aws.client("stepfunctions")
    role = role or aws.role("states.amazonaws.com")
    made = states.create_state_machine(
        name=aws.name(end), definition=json.dumps(definition), roleArn=role
    )
    aws.later(states.delete_state_machine, stateMachineArn=made["stateMachineArn"])
    return str(made["stateMachineArn"])


def _ended(aws: Aws, arn: str) -> dict[str, Any]:
    states = aws.client("stepfunctions")

    def ended() -> dict[str, Any]:
        found: dict[str, Any] = states.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else {}

    execution: dict[str, Any] = aws.until(ended)
    return execution


@pytest.mark.contract(
    *("states:CreateStateMachine", "states:DescribeStateMachine", "states:ListStateMachines"),
    *("states:UpdateStateMachine", "states:DeleteStateMachine"),
)
def test_a_state_machine_from_creation_to_deletion(aws: Aws) -> None:
    states, arn = aws.client("stepfunctions"), _machine(aws, "machine", ECHO)
    machine = {"stateMachineArn": arn}
    found = states.describe_state_machine(**machine)
    assert json.loads(found["definition"]) == ECHO
    assert (found["status"], found["type"]) == ("ACTIVE", "STANDARD")
    pages = states.get_paginator("list_state_machines").paginate()
    assert arn in [each["stateMachineArn"] for page in pages for each in page["stateMachines"]]
    states.update_state_machine(**machine, definition=json.dumps(FAIL))
    assert json.loads(states.describe_state_machine(**machine)["definition"]) == FAIL
    again = {"name": aws.name("bad"), "roleArn": found["roleArn"]}
    for bad in ("no JSON", json.dumps({"States": {}}), json.dumps({**ECHO, "StartAt": "Absent"})):
        assert refused(states.create_state_machine, **again, definition=bad) == "InvalidDefinition"
    states.delete_state_machine(**machine)
    absent = {"stateMachineArn": arn + "-absent"}
    assert refused(states.describe_state_machine, **absent) == "StateMachineDoesNotExist"
    assert refused(states.start_execution, **absent) == "StateMachineDoesNotExist"


@pytest.mark.contract(
    *("states:StartExecution", "states:DescribeExecution", "states:GetExecutionHistory"),
    *("states:ListExecutions", "states:StopExecution"),
)
def test_executions_that_succeed_fail_and_are_stopped(aws: Aws) -> None:
    states, role = aws.client("stepfunctions"), aws.role("states.amazonaws.com")
    machine = {"stateMachineArn": _machine(aws, "e", ECHO, role)}
    given = {"input": '{"a": 1}', "name": "one"}
    started = states.start_execution(**machine, **given)["executionArn"]
    execution = _ended(aws, started)
    assert (execution["status"], json.loads(execution["output"])) == ("SUCCEEDED", {"a": 1})
    other = {**machine, "name": "one", "input": "{}"}
    assert refused(states.start_execution, **other) == "ExecutionAlreadyExists"
    history = states.get_execution_history(executionArn=started)["events"]
    assert [event["type"] for event in history] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in history] == [1, 2, 3, 4]
    assert history[1]["stateEnteredEventDetails"]["name"] == "Echo"
    assert refused(states.start_execution, **machine, input="no JSON") == "InvalidExecutionInput"

    failing = states.start_execution(stateMachineArn=_machine(aws, "f", FAIL, role))["executionArn"]
    failed = _ended(aws, failing)
    assert (failed["status"], failed["error"], failed["cause"]) == ("FAILED", "Mine", "why")

    waiting = {"stateMachineArn": _machine(aws, "w", WAIT, role)}
    arn = states.start_execution(**waiting, name="first", input="{}")["executionArn"]
    same = states.start_execution(**waiting, name="first", input="{}")["executionArn"]
    assert same == arn, "the same name and input while it runs is the same execution"
    states.stop_execution(executionArn=arn, error="Stopped", cause="by hand")
    stopped = _ended(aws, arn)
    assert (stopped["status"], stopped["error"], stopped["cause"]) == (
        "ABORTED",
        "Stopped",
        "by hand",
    )
    second = states.start_execution(**waiting, name="second")["executionArn"]
    aws.later(states.stop_execution, executionArn=second)
    listed = states.get_paginator("list_executions").paginate(
        **waiting, PaginationConfig={"PageSize": 1}
    )
    assert [each["name"] for page in listed for each in page["executions"]] == ["second", "first"]
    running = states.list_executions(**waiting, statusFilter="RUNNING")["executions"]
    assert [each["name"] for each in running] == ["second"]
    absent = {"executionArn": f"{arn}-absent"}
    for call in (states.describe_execution, states.stop_execution, states.get_execution_history):
        assert refused(call, **absent) == "ExecutionDoesNotExist"


@pytest.mark.contract("states:ValidateStateMachineDefinition")
def test_a_definition_is_validated(aws: Aws) -> None:
    validate = aws.client("stepfunctions").validate_state_machine_definition
    assert validate(definition=json.dumps(ECHO))["result"] == "OK"
    dangling = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}
    found = validate(definition=json.dumps(dangling))
    assert found["result"] == "FAIL"
    first, second = found["diagnostics"]
    assert (first["code"], first["location"]) == ("MISSING_TRANSITION_TARGET", "/States/A/Next")
    assert first["message"] == "Missing 'Next' target: B"
    assert (second["code"], "location" in second) == ("MISSING_END_STATE", False)


@pytest.mark.contract("states:RedriveExecution")
def test_an_execution_is_redriven(aws: Aws) -> None:
    states, role = aws.client("stepfunctions"), aws.role("states.amazonaws.com")
    machine = {"stateMachineArn": _machine(aws, "r", WAIT, role)}
    execution = {"executionArn": states.start_execution(**machine, name="one")["executionArn"]}
    assert refused(states.redrive_execution, **execution) == "ExecutionNotRedrivable"
    states.stop_execution(**execution)
    assert _ended(aws, execution["executionArn"])["redriveStatus"] == "REDRIVABLE"
    redriven = states.redrive_execution(**execution)
    aws.later(states.stop_execution, **execution)
    found = states.describe_execution(**execution)
    assert (found["status"], found["redriveCount"]) == ("RUNNING", 1)
    assert found["redriveDate"] == redriven["redriveDate"]
    last = states.get_execution_history(**execution)["events"][-1]
    assert (last["type"], last["executionRedrivenEventDetails"]) == (
        "ExecutionRedriven",
        {"redriveCount": 1},
    )
