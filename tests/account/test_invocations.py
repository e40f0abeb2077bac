"""Invocations have Lambda's limits, headers and errors; their outcomes go to destinations."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.sagemaker_fixture import until
from tests.account.workloads import create_function, invoke, message, queue
from tests.conftest import RunningAccount, start_account

with_proc = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is not measured without /proc"
)
GREEDY = """
    import time

    def handler(event, context):
        kept = [b"x" * 2**20 for _ in range(event["mib"])]
        time.sleep(0.3)  # memory is looked at 20 times a second
        return len(kept)
"""


def _refusal(call: Any, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    response = refused.value.response
    error = response["Error"]
    return error["Code"], error["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def function(account: RunningAccount) -> str:
    return create_function(account, "invoked", Timeout=20)


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", 6_291_456), ("Event", 1_048_576)])
def test_a_payload_that_is_too_large_is_refused(
    account: RunningAccount, function: str, kind: str, limit: int
) -> None:
    payload = json.dumps("x" * limit)
    client = account.client("lambda")
    params = {"FunctionName": function, "InvocationType": kind, "Payload": payload}
    code, said, status = _refusal(client.invoke, **params)
    assert (code, status) == ("RequestEntityTooLargeException", 413)
    too_large = f"{limit + 2} byte payload is too large for the {kind} invocation type"
    assert said == f"{too_large} (limit {limit} bytes)"


def test_a_payload_that_is_no_json_is_refused(account: RunningAccount, function: str) -> None:
    call = account.client("lambda").invoke
    code, said, status = _refusal(call, FunctionName=function, Payload=b"{")
    assert (code, status) == ("InvalidRequestContentException", 400)
    assert said.startswith("Could not parse request body into json")


def test_an_answer_that_is_too_large_is_an_error(account: RunningAccount, function: str) -> None:
    kind, error = invoke(account, function, padding=6_300_000)
    assert (kind, error["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert error["errorMessage"].endswith(
        "bytes) exceeded maximum allowed payload size (6291556 bytes)."
    )
    assert invoke(account, function, padding=6_200_000)[0] is None


def test_an_answer_says_which_version_ran_and_what_it_logged(
    account: RunningAccount, function: str
) -> None:
    client = account.client("lambda")
    answer = client.invoke(FunctionName=function, LogType="Tail", Payload=b"{}")
    assert answer["ExecutedVersion"] == "$LATEST"
    tail = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert tail[0].startswith("START RequestId: ")
    last = dict(field.split(": ", 1) for field in tail[-1].rstrip("\t").split("\t")[1:])
    assert last["Memory Size"] == "128 MB"
    assert "LogResult" not in client.invoke(FunctionName=function)
    refused = _refusal(client.invoke, FunctionName=function, Qualifier="99")
    assert refused[0] == "ResourceNotFoundException"
    assert _refusal(client.invoke, FunctionName="none")[0] == "ResourceNotFoundException"


def test_a_dry_run_runs_nothing(account: RunningAccount, function: str) -> None:
    _, before = invoke(account, function)
    answer = account.client("lambda").invoke(FunctionName=function, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert invoke(account, function)[1]["calls"] == before["calls"] + 1


@pytest.mark.parametrize(
    ("code", "handler", "kind", "said"),
    [
        (
            "import nothing",
            "main.handler",
            "Runtime.ImportModuleError",
            "No module named 'nothing'",
        ),
        ("def handler(", "main.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module"),
        ("x = 1", "main.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module"),
        ("x = 1", "main", "Runtime.MalformedHandlerName", "Bad handler 'main'"),
    ],
)
def test_a_function_that_cannot_be_loaded_says_why(
    account: RunningAccount, code: str, handler: str, kind: str, said: str
) -> None:
    name = kind.partition(".")[2]
    create_function(account, name, code, handler, Timeout=20)
    error, document = invoke(account, name)
    assert (error, document["errorType"]) == ("Unhandled", kind)
    assert said in document["errorMessage"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (3, "Runtime exited with error: exit status 3"),
        (0, "Runtime exited without providing a reason"),
    ],
)
def test_a_process_that_ends_says_how(account: RunningAccount, status: int, said: str) -> None:
    code = f"import os\ndef handler(event, context):\n    os._exit({status})\n"
    create_function(account, f"exits-{status}", code, Timeout=20)
    error, document = invoke(account, f"exits-{status}")
    assert (error, document["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert document["errorMessage"].startswith("RequestId: ")
    assert document["errorMessage"].endswith(f"Error: {said}")


@with_proc
def test_a_function_has_the_memory_that_it_is_given(account: RunningAccount) -> None:
    _is_kept_to_its_memory(account)


@with_proc
def test_without_bubblewrap_a_function_has_the_memory_that_it_is_given_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with start_account(tmp_path) as running:
        _is_kept_to_its_memory(running)


def _is_kept_to_its_memory(account: RunningAccount) -> None:
    create_function(account, "greedy", GREEDY, Timeout=30, MemorySize=256)
    assert invoke(account, "greedy", mib=60) == (None, 60)
    client = account.client("lambda")
    answer = client.invoke(FunctionName="greedy", LogType="Tail", Payload=b'{"mib": 60}')
    report = base64.b64decode(answer["LogResult"]).decode().partition("Max Memory Used: ")[2]
    assert 20 <= int(report.partition(" MB")[0]) <= 256
    error, document = invoke(account, "greedy", mib=4000)
    assert (error, document["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert document["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert invoke(account, "greedy", mib=1) == (None, 1)


def test_a_function_without_concurrency_is_throttled_and_its_events_are_not_lost(
    account: RunningAccount,
) -> None:
    url, arn = queue(account, "throttled")
    create_function(account, "throttled", Timeout=20, DeadLetterConfig={"TargetArn": arn})
    client = account.client("lambda")
    client.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName="throttled")
    response: Any = refused.value.response
    assert response["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    client.invoke(FunctionName="throttled", InvocationType="Event", Payload=b'{"a": 1}')
    letter = message(account, url)
    assert letter["Body"] == '{"a": 1}'
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "429"
    client.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=1)
    for _ in range(3):
        client.invoke(FunctionName="throttled", InvocationType="Event", Payload=b'{"sleep": 0.3}')
    until(lambda: _reports(account, "throttled") == 3 or None, 60)
    client.delete_function_concurrency(FunctionName="throttled")
    assert invoke(account, "throttled")[0] is None


def _reports(account: RunningAccount, function: str) -> int:
    logs = account.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return 0
    return sum(event["message"].startswith("REPORT") for event in events)


def _send_to(account: RunningAccount, function: str, **destinations: str) -> None:
    config = {name: {"Destination": arn} for name, arn in destinations.items()}
    account.client("lambda").put_function_event_invoke_config(
        FunctionName=function, MaximumRetryAttempts=1, DestinationConfig=config
    )


def test_the_outcome_of_an_event_goes_to_its_destination(account: RunningAccount) -> None:
    failed, failures = queue(account, "failures")
    succeeded, successes = queue(account, "successes")
    create_function(account, "sender", Timeout=20)
    _send_to(account, "sender", OnFailure=failures, OnSuccess=successes)
    client = account.client("lambda")
    client.invoke(FunctionName="sender", InvocationType="Event", Payload=b'{"raise": "no row"}')
    record = json.loads(message(account, failed)["Body"])
    arn = "arn:aws:lambda:us-east-1:123456789012:function:sender:$LATEST"
    context = record["requestContext"]
    assert record["version"] == "1.0"
    assert (context["functionArn"], context["condition"]) == (arn, "RetriesExhausted")
    assert context["approximateInvokeCount"] == 2
    assert record["requestPayload"] == {"raise": "no row"}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    answered = record["responsePayload"]
    assert (answered["errorMessage"], answered["errorType"]) == ("no row", "ValueError")
    assert answered["requestId"] == context["requestId"]
    client.invoke(FunctionName="sender", InvocationType="Event", Payload=b"{}")
    record = json.loads(message(account, succeeded)["Body"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert record["responsePayload"]["arn"] == arn.removesuffix(":$LATEST")


def test_outcomes_reach_a_topic_a_function_and_a_bus(account: RunningAccount) -> None:
    client, events = account.client("lambda"), account.client("events")
    url, arn = queue(account, "outcomes")
    topic = account.client("sns").create_topic(Name="outcomes")["TopicArn"]
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    create_function(account, "to-topic", Timeout=20)
    _send_to(account, "to-topic", OnSuccess=topic)
    client.invoke(FunctionName="to-topic", InvocationType="Event", Payload=b'{"n": 1}')
    told = json.loads(json.loads(message(account, url)["Body"])["Message"])
    assert told["requestPayload"] == {"n": 1}

    create_function(account, "to-function", Timeout=20)
    _send_to(account, "to-function", OnSuccess=account_arn("function:to-topic"))
    client.invoke(FunctionName="to-function", InvocationType="Event", Payload=b'{"n": 2}')
    told = json.loads(json.loads(message(account, url)["Body"])["Message"])
    assert told["requestPayload"]["requestPayload"] == {"n": 2}

    bus = events.create_event_bus(Name="outcomes")["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"]})
    events.put_rule(Name="outcomes", EventBusName="outcomes", EventPattern=pattern)
    targets = [{"Id": "queue", "Arn": arn}]
    events.put_targets(Rule="outcomes", EventBusName="outcomes", Targets=targets)
    create_function(account, "to-bus", Timeout=20)
    _send_to(account, "to-bus", OnFailure=bus)
    client.invoke(FunctionName="to-bus", InvocationType="Event", Payload=b'{"raise": "no"}')
    event = json.loads(message(account, url)["Body"])
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert event["resources"] == [bus, account_arn("function:to-bus:$LATEST")]
    assert event["detail"]["requestPayload"] == {"raise": "no"}


def account_arn(resource: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:{resource}"


def test_the_settings_of_events_are_replaced(account: RunningAccount) -> None:
    create_function(account, "settled")
    client, name = account.client("lambda"), {"FunctionName": "settled"}
    client.put_function_event_invoke_config(**name, MaximumRetryAttempts=1)
    client.put_function_event_invoke_config(**name, MaximumEventAgeInSeconds=60)
    kept = client.get_function_event_invoke_config(**name)
    assert (kept.get("MaximumRetryAttempts"), kept["MaximumEventAgeInSeconds"]) == (None, 60)


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"MemorySize": 40_000}, "ValidationException", "less than or equal to 32768"),
        ({"Timeout": 6000}, "ValidationException", "'timeout'"),
        (
            {"Environment": {"Variables": {"LONG": "x" * 4096}}},
            "InvalidParameterValueException",
            "exceeded the 4KB limit",
        ),
        ({"Handler": "a b"}, "ValidationException", "'handler'"),
    ],
)
def test_a_function_is_refused_for_its_settings(
    account: RunningAccount, settings: dict[str, Any], code: str, said: str
) -> None:
    name, handler = "refused", settings.pop("Handler", "main.handler")
    found = _refusal(lambda: create_function(account, name, handler=handler, **settings))
    assert (found[0], said in found[1]) == (code, True)
    assert _refusal(lambda: create_function(account, "n" * 65))[0] == "ValidationException"
    functions = account.client("lambda").list_functions()["Functions"]
    assert name not in {found["FunctionName"] for found in functions}
