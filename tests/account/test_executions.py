"""Executions begin once, end at once however they wait, and tell the event bus of both."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.sagemaker_fixture import Lab, lab, until
from tests.account.workloads import (
    State,
    create_function,
    ended,
    execute,
    invoke,
    machine,
    message,
    queue,
    task,
)
from tests.conftest import RunningAccount

__all__ = ["lab"]  # a fixture

PASS: State = {"Type": "Pass", "End": True}
WAIT: State = {"Type": "Wait", "Seconds": 60, "Next": "After"}


@pytest.fixture(scope="module")
def function(account: RunningAccount) -> str:
    return create_function(account, "awaited", Timeout=20)


def _start(account: RunningAccount, machine_arn: str, **more: Any) -> str:
    client = account.client("stepfunctions")
    return str(client.start_execution(stateMachineArn=machine_arn, **more)["executionArn"])


def _stop(account: RunningAccount, execution_arn: str, **more: Any) -> dict[str, Any]:
    client = account.client("stepfunctions")
    return dict(client.stop_execution(executionArn=execution_arn, **more))


def _history(account: RunningAccount, execution_arn: str, **more: Any) -> dict[str, Any]:
    client = account.client("stepfunctions")
    return dict(client.get_execution_history(executionArn=execution_arn, **more))


def _types(account: RunningAccount, execution_arn: str) -> list[str]:
    return [event["type"] for event in _history(account, execution_arn)["events"]]


def _code(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**params)
    return str(refused.value.response["Error"]["Code"])


def _listen(account: RunningAccount, name: str, machine_arn: str) -> str:
    """Send the status changes of a state machine to a queue."""
    url, arn = queue(account, name)
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [machine_arn]}}
    events = account.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def _changes(account: RunningAccount, url: str) -> dict[str, dict[str, Any]]:
    """Return the events of a start and an end, which may come in any order, by status."""
    found = [json.loads(message(account, url)["Body"]) for _ in range(2)]
    return {event["detail"]["status"]: event for event in found}


def test_the_bus_hears_of_a_start_and_of_a_success(account: RunningAccount) -> None:
    arn = machine(account, "told", {"Done": PASS})
    url = _listen(account, "told", arn)
    execution = _start(account, arn, name="one", input='{"a": 1}')
    changes = _changes(account, url)
    event = changes["SUCCEEDED"]
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert (event["source"], event["resources"]) == ("aws.states", [execution])
    running, succeeded = (changes[status]["detail"] for status in ("RUNNING", "SUCCEEDED"))
    assert (running["stopDate"], running["output"]) == (None, None)
    assert succeeded["stopDate"] >= succeeded["startDate"] == running["startDate"]
    assert (succeeded["executionArn"], succeeded["name"]) == (execution, "one")
    assert (succeeded["input"], succeeded["output"]) == ('{"a": 1}', '{"a":1}')
    assert succeeded["inputDetails"] == succeeded["outputDetails"] == {"included": True}
    assert (succeeded["error"], succeeded["redriveStatus"]) == (None, "NOT_REDRIVABLE")


def test_the_bus_hears_of_failures_aborts_and_timeouts(account: RunningAccount) -> None:
    fail = {"Type": "Fail", "Error": "Mine", "Cause": "because"}
    arn = machine(account, "told-failure", {"Stop": fail})
    url = _listen(account, "told-failure", arn)
    _start(account, arn)
    detail = _changes(account, url)["FAILED"]["detail"]
    assert (detail["error"], detail["cause"], detail["output"]) == ("Mine", "because", None)
    assert detail["redriveStatus"] == "REDRIVABLE"

    arn = machine(account, "told-late", {"Wait": WAIT, "After": PASS}, TimeoutSeconds=5)
    url = _listen(account, "told-late", arn)
    execution = _start(account, arn)
    assert _stop(account, execution, error="Operator", cause="no longer needed")["stopDate"]
    detail = _changes(account, url)["ABORTED"]["detail"]
    assert (detail["error"], detail["cause"]) == ("Operator", "no longer needed")
    execution = _start(account, arn)
    assert "TIMED_OUT" in _changes(account, url)


def test_an_input_that_is_too_long_is_left_out_of_the_event(account: RunningAccount) -> None:
    arn = machine(account, "told-long", {"Done": {"Type": "Pass", "Result": {}, "End": True}})
    url = _listen(account, "told-long", arn)
    _start(account, arn, input=json.dumps({"long": "x" * 250 * 1024}))
    detail = _changes(account, url)["SUCCEEDED"]["detail"]
    assert (detail["input"], detail["inputDetails"]) == (None, {"included": False})


def test_a_name_starts_one_execution(account: RunningAccount) -> None:
    arn = machine(account, "named", {"Wait": WAIT, "After": PASS})
    client = account.client("stepfunctions")
    request = {"stateMachineArn": arn, "name": "only", "input": '{"a": 1}'}
    first = client.start_execution(**request)
    again = client.start_execution(**request)
    assert again["executionArn"] == first["executionArn"]
    assert again["startDate"] == first["startDate"]
    other = {**request, "input": '{"a": 2}'}
    assert _code(client.start_execution, **other) == "ExecutionAlreadyExists"
    _stop(account, first["executionArn"])
    assert _code(client.start_execution, **request) == "ExecutionAlreadyExists"
    too_long = {**request, "name": "x" * 81}
    assert _code(client.start_execution, **too_long) == "ValidationException"


def test_requests_at_the_same_time_start_one_execution(account: RunningAccount) -> None:
    arn = machine(account, "crowded", {"Wait": WAIT, "After": PASS})
    with ThreadPoolExecutor(8) as pool:
        started = set(pool.map(lambda _: _start(account, arn, name="one"), range(16)))
    (execution,) = started
    listed = account.client("stepfunctions").list_executions(stateMachineArn=arn)["executions"]
    assert [found["executionArn"] for found in listed] == [execution]
    _stop(account, execution)


def test_an_execution_can_be_stopped_as_soon_as_it_is_started(account: RunningAccount) -> None:
    arn = machine(account, "hasty", {"Wait": WAIT, "After": PASS})
    for _ in range(10):
        execution = _start(account, arn)
        _stop(account, execution)
        assert ended(account, execution)["status"] == "ABORTED"


def test_an_execution_begins_with_its_first_event(account: RunningAccount) -> None:
    execution = _start(account, machine(account, "dated", {"Done": PASS}))
    described = ended(account, execution)
    first, entered, *_ = _history(account, execution)["events"]
    begun = described["startDate"]
    assert abs((first["timestamp"] - begun).total_seconds()) < 0.001
    assert entered["timestamp"] > first["timestamp"]


def test_an_unknown_execution_does_not_exist(account: RunningAccount) -> None:
    arn = machine(account, "empty", {"Done": PASS})
    unknown = f"{arn.replace(':stateMachine:', ':execution:')}:none"
    client = account.client("stepfunctions")
    for call in (client.describe_execution, client.get_execution_history, client.stop_execution):
        assert _code(call, executionArn=unknown) == "ExecutionDoesNotExist"


def test_a_history_is_read_from_either_end_in_pages(account: RunningAccount) -> None:
    arn = machine(account, "read", {"One": {"Type": "Pass", "Next": "Two"}, "Two": PASS})
    execution = _start(account, arn, input='{"a": 1}')
    ended(account, execution)
    events = _history(account, execution)["events"]
    ids = [event["id"] for event in events]
    assert len(ids) == 6
    last = _history(account, execution, reverseOrder=True, maxResults=4)
    rest = _history(account, execution, reverseOrder=True, nextToken=last["nextToken"])
    assert [event["id"] for event in last["events"] + rest["events"]] == ids[::-1]
    assert "nextToken" not in rest
    assert json.loads(events[1]["stateEnteredEventDetails"]["input"]) == {"a": 1}
    bare = _history(account, execution, includeExecutionData=False)["events"]
    assert bare[1]["stateEnteredEventDetails"] == {"name": "One"}
    client = account.client("stepfunctions")
    refused = _code(client.get_execution_history, executionArn=execution, nextToken="none")
    assert refused == "InvalidToken"


def test_executions_are_listed_by_status_in_pages(account: RunningAccount) -> None:
    arn = machine(account, "listed", {"Done": PASS})
    executions = [_start(account, arn, name=name) for name in ("a", "b", "c")]
    for execution in executions:
        assert ended(account, execution)["stopDate"]
    client = account.client("stepfunctions")
    request = {"stateMachineArn": arn, "statusFilter": "SUCCEEDED", "maxResults": 2}
    first = client.list_executions(**request)
    second = client.list_executions(**request, nextToken=first["nextToken"])
    listed = [execution["name"] for execution in first["executions"] + second["executions"]]
    assert listed == ["c", "b", "a"]
    assert "nextToken" not in second
    assert all("stopDate" in execution for execution in first["executions"])
    assert client.list_executions(**{**request, "statusFilter": "FAILED"})["executions"] == []


def test_an_execution_that_takes_too_long_times_out(account: RunningAccount, function: str) -> None:
    busy = task("lambda:invoke", {"FunctionName": function, "Payload": {"sleep": 6}})
    invoke(account, function)
    reports = len(_reports(account, function))
    execution = execute(account, "late", {"Busy": busy}, TimeoutSeconds=1)
    assert execution["status"] == "TIMED_OUT"
    assert 1 <= (execution["stopDate"] - execution["startDate"]).total_seconds() < 6
    assert _types(account, execution["executionArn"])[-1] == "ExecutionTimedOut"
    until(lambda: len(_reports(account, function)) > reports or None)  # it is idle again


def _reports(account: RunningAccount, function: str) -> list[str]:
    group = f"/aws/lambda/{function}"
    pages = account.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    messages = [event["message"] for page in pages for event in page["events"]]
    return [message for message in messages if message.startswith("REPORT")]


def _past_what_it_waited_for(lab: Lab, name: str, kind: str, function: str, reports: int) -> None:
    """Wait until an execution would have gone on, had it not been stopped."""
    if kind == "function":
        until(lambda: len(_reports(lab.account, function)) > reports or None)
    elif kind == "job":
        lab.ended_training(name)
    elif kind == "retry":
        time.sleep(8)  # it would have been due by now
    time.sleep(0.2)  # for what must not happen


def _waiting(lab: Lab, name: str, kind: str, function: str) -> State:
    if kind == "wait":
        return WAIT
    if kind == "function":
        payload = {"FunctionName": function, "Payload": {"sleep": 6}}
        return task("lambda:invoke", payload, Next="After")
    if kind == "job":
        request = lab.training_request(name, sleep="20")
        return task("sagemaker:createTrainingJob.sync", request, Next="After")
    again = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "MaxAttempts": 3}
    payload = {"FunctionName": function, "Payload": {"raise": "no"}}
    return task("lambda:invoke", payload, Retry=[again], Next="After")


@pytest.mark.parametrize("kind", ["wait", "function", "job", "retry"])
def test_a_stopped_execution_ends_at_once_and_does_nothing_afterwards(
    lab: Lab, function: str, kind: str
) -> None:
    account, name = lab.account, f"stopped-{kind}"
    url, _ = queue(account, name)
    after = task("sqs:sendMessage", {"QueueUrl": url, "MessageBody": "after"})
    waiting = _waiting(lab, name, kind, function)
    arn = machine(account, name, {"Waiting": waiting, "After": after})
    _, before = invoke(account, function)
    reports = len(_reports(account, function))
    execution = _start(account, arn)
    expected = {"wait": "WaitStateEntered", "function": "TaskStarted", "job": "TaskSubmitted"}
    last = expected.get(kind, "TaskFailed")
    until(lambda: True if last in _types(account, execution) else None)
    started = time.monotonic()
    assert _stop(account, execution)["stopDate"]
    assert time.monotonic() - started < 5
    client = account.client("stepfunctions")
    assert client.describe_execution(executionArn=execution)["status"] == "ABORTED"
    _past_what_it_waited_for(lab, name, kind, function, reports)
    assert _types(account, execution)[-1] == "ExecutionAborted"
    assert client.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert "Messages" not in account.client("sqs").receive_message(QueueUrl=url)
    assert invoke(account, function)[1]["calls"] == before["calls"] + 1 + (
        kind in ("function", "retry")
    )


def test_a_stopped_execution_stops_the_job_that_it_waits_for(lab: Lab) -> None:
    assert lab.ended_training("stopped-job")["TrainingJobStatus"] == "Stopped"


def test_what_a_task_returns_after_its_timeout_is_nothing(
    account: RunningAccount, function: str
) -> None:
    payload = {"FunctionName": function, "Payload": {"sleep": 2}}
    caught = [{"ErrorEquals": ["States.Timeout"], "Next": "Wait"}]
    states: dict[str, State] = {
        "Slow": task("lambda:invoke", payload, TimeoutSeconds=1, Catch=caught),
        "Wait": {"Type": "Wait", "Seconds": 2, "End": True},
    }
    execution = execute(account, "overdue", states)
    assert execution["status"] == "SUCCEEDED"
    types = _types(account, execution["executionArn"])
    assert "TaskTimedOut" in types
    assert "TaskSucceeded" not in types


@pytest.mark.parametrize(
    ("resource", "answered"),
    [
        ("eventbridge:listRules", "rules"),
        ("cloudwatchlogs:describeLogGroups", "loggroups"),
    ],
)
def test_a_service_is_called_by_the_name_that_aws_has_for_it(
    account: RunningAccount, resource: str, answered: str
) -> None:
    name = f"sdk-{resource.partition(':')[0]}"
    execution = execute(account, name, {"Call": task(f"aws-sdk:{resource}", {})})
    assert execution["status"] == "SUCCEEDED", execution
    assert answered in {name.lower() for name in json.loads(execution["output"])}


def test_moments_and_contents_that_the_sdk_answers_are_text(account: RunningAccount) -> None:
    s3, place = account.client("s3"), {"Bucket": "told", "Key": "one"}
    s3.create_bucket(Bucket=place["Bucket"])
    s3.put_object(**place, Body=b"content", Metadata={"by": "me"})
    execution = execute(account, "sdk-told", {"Call": task("aws-sdk:s3:getObject", place)})
    assert execution["status"] == "SUCCEEDED", execution
    told = json.loads(execution["output"])
    assert (told["Body"], told["ContentLength"]) == ("content", 7)
    written = s3.head_object(**place)["LastModified"]
    assert told["LastModified"] == written.strftime("%Y-%m-%dT%H:%M:%SZ")
