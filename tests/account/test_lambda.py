"""Functions run their own code in processes of their own, and fail as they do on AWS."""

import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from local_account.contained import leader
from local_account.services.lambda_api import RuntimeApi
from local_account.services.lambda_events import EventInvocations, Throttled
from local_account.services.lambda_sandbox import Confinement
from local_account.services.lambda_worker import Function, Invocation, Worker
from tests.account.sagemaker_fixture import until
from tests.account.workloads import create_function, invoke, message, queue
from tests.conftest import RunningAccount, start_account


@pytest.fixture(scope="module")
def function(account: RunningAccount) -> str:
    return create_function(account, "echo")


def test_a_function_answers_from_a_warm_process_without_the_hosts_environment(
    account: RunningAccount, function: str
) -> None:
    _, first = invoke(account, function)
    _, second = invoke(account, function)
    assert second["calls"] == first["calls"] + 1
    assert first["environment"]["TABLE"] == "a table"
    assert "PYTEST_CURRENT_TEST" not in first["environment"]
    assert not {name for name in first["environment"] if name.startswith("VIRTUAL_ENV")}
    assert 0 < first["remaining"] <= 2000
    assert first["arn"].endswith(":function:echo")


def test_what_a_function_raises_is_its_error_document(
    account: RunningAccount, function: str
) -> None:
    kind, error = invoke(account, function, **{"raise": "no such row"})
    assert kind == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such row")
    assert any("main.py" in line for line in error["stackTrace"])


def test_a_function_that_takes_too_long_is_stopped(account: RunningAccount, function: str) -> None:
    kind, error = invoke(account, function, sleep=30)
    assert kind == "Unhandled"
    assert "timed out after 2.00 seconds" in error["errorMessage"]
    assert invoke(account, function)[0] is None, "the next invocation gets a new process"


def test_a_function_whose_process_ends_is_an_error(account: RunningAccount, function: str) -> None:
    kind, error = invoke(account, function, exit=True)
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ExitError")


def test_a_handler_that_does_not_exist_is_named(account: RunningAccount, function: str) -> None:
    kind, error = invoke(account, create_function(account, "lost", handler="main.nothing"))
    assert kind == "Unhandled"
    assert "nothing" in error["errorMessage"]


def test_what_a_function_prints_is_in_its_log_group(account: RunningAccount, function: str) -> None:
    invoke(account, function, marker="in the log")
    events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/echo")["events"]
    messages = [event["message"] for event in events]
    assert any("handling" in line and "in the log" in line for line in messages)
    assert any(line.startswith("REPORT RequestId") for line in messages)


def test_a_flood_of_output_is_cut(account: RunningAccount) -> None:
    function = create_function(account, "flooding")
    assert invoke(account, function, flood=6000)[0] is None
    logs, group = account.client("logs"), "/aws/lambda/flooding"
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    messages = [event["message"] for page in pages for event in page["events"]]
    assert any(line.startswith("The rest is left out: over ") for line in messages)
    assert len(messages) < 5000
    assert invoke(account, function)[1]["calls"] == 2


def test_what_a_function_started_ends_with_it_and_with_a_killed_account(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    ended, killed = (str(10**6 + secrets.randbelow(10**9)) for _ in range(2))
    with start_account(tmp_path_factory.mktemp("killed-function")) as running:
        function = create_function(running, "orphan", Timeout=60)
        assert invoke(running, function, child=ended, exit=True)[0] == "Unhandled"
        _wait_until_gone(f"sleep {ended}")
        running.client("lambda").invoke(
            FunctionName=function,
            InvocationType="Event",
            Payload=json.dumps({"child": killed, "sleep": 60}),
        )
        until(lambda: _running(f"sleep {killed}") or None)
        running.process.kill()
        running.process.wait(10)
    _wait_until_gone(f"sleep {killed}")


def _running(command: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return command in listed.stdout.splitlines()


def _wait_until_gone(command: str) -> None:
    deadline = time.monotonic() + 30
    while _running(command):
        assert time.monotonic() < deadline, f"{command} still runs"
        time.sleep(0.05)


def test_an_event_invocation_does_not_wait(account: RunningAccount, function: str) -> None:
    started = time.monotonic()
    answer = account.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=b'{"sleep": 5}'
    )
    assert answer["StatusCode"] == 202
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("event", "said"), [({"raise": "no"}, "no"), ({"exit": 1}, "Runtime exit")]
)
def test_an_event_that_fails_three_times_is_a_dead_letter(
    account: RunningAccount, event: dict[str, Any], said: str
) -> None:
    name = f"dead-{next(iter(event))}"
    url, arn = queue(account, name)
    create_function(account, name, DeadLetterConfig={"TargetArn": arn})
    payload = json.dumps(event)
    account.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    letter = message(account, url)
    assert letter["Body"] == payload
    attributes = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
    assert set(attributes) == {"RequestID", "ErrorCode", "ErrorMessage"}
    assert said in attributes["ErrorMessage"]
    log = _lines(account, name)
    starts = [line for line in log if line.startswith("START RequestId")]
    assert len(starts) == 3
    assert all(attributes["RequestID"] in line for line in starts), "one request, three attempts"


def test_an_event_that_succeeds_at_last_is_none(account: RunningAccount) -> None:
    code = """
        calls = 0

        def handler(event, context):
            global calls
            calls += 1
            if calls < 3:
                raise ValueError(calls)
    """
    url, arn = queue(account, "late-success")
    create_function(account, "late-success", code, DeadLetterConfig={"TargetArn": arn})
    account.client("lambda").invoke(FunctionName="late-success", InvocationType="Event")
    until(lambda: len(_lines(account, "late-success", "START")) == 3 or None)
    time.sleep(0.3)
    assert "Messages" not in account.client("sqs").receive_message(QueueUrl=url)


def test_an_event_is_retried_as_often_as_configured_and_can_die_in_a_topic(
    account: RunningAccount,
) -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="letters")["TopicArn"]
    url, arn = queue(account, "letters")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    create_function(account, "impatient")
    client = account.client("lambda")
    client.update_function_configuration(
        FunctionName="impatient", DeadLetterConfig={"TargetArn": topic}
    )
    client.put_function_event_invoke_config(FunctionName="impatient", MaximumRetryAttempts=0)
    client.invoke(FunctionName="impatient", InvocationType="Event", Payload=b'{"raise": "no"}')
    letter = json.loads(message(account, url)["Body"])
    assert letter["Message"] == '{"raise": "no"}'
    assert letter["MessageAttributes"]["ErrorMessage"]["Value"] == "no"
    assert len(_lines(account, "impatient", "START")) == 1


def test_an_event_that_cannot_be_run_is_retried_and_dead_lettered_and_the_account_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start_account(tmp_path_factory.mktemp("unstartable")) as running:
        url, arn = queue(running, "unstartable")
        create_function(running, "unstartable", DeadLetterConfig={"TargetArn": arn})
        state = running.log.parent / "state"
        (state / "lambda").write_text("where the code would be unpacked")
        payload = b'{"is": "not lost"}'
        running.client("lambda").invoke(
            FunctionName="unstartable", InvocationType="Event", Payload=payload
        )
        letter = message(running, url)
        printed = running.log.read_text()
    assert letter["Body"] == payload.decode()
    assert "NotADirectoryError" in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert printed.count("unstartable could not run, request") == 3


def test_a_function_that_changes_or_goes_leaves_no_process_behind(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start_account(tmp_path_factory.mktemp("changing")) as running:
        function, client = create_function(running, "changing"), running.client("lambda")
        for number in range(5):
            variables = {"Variables": {"NUMBER": str(number)}}
            client.update_function_configuration(FunctionName=function, Environment=variables)
            assert invoke(running, function)[1]["environment"]["NUMBER"] == str(number)
        assert len(_workers(running)) == 1
        client.delete_function(FunctionName=function)
        assert _workers(running) == []


def test_a_process_that_is_replaced_leaves_nothing_behind(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start_account(tmp_path_factory.mktemp("replaced")) as running:
        function, client = create_function(running, "replaced"), running.client("lambda")
        state = running.log.parent / "state"

        def replace(number: int) -> None:
            variables = {"Variables": {"NUMBER": str(number)}}
            client.update_function_configuration(FunctionName=function, Environment=variables)
            assert invoke(running, function)[0] is None

        for number in range(4):
            replace(number)
        time.sleep(1)  # what a process held goes within half a second
        threads, descriptors = _held(running)
        for number in range(4, 16):
            replace(number)
        until(lambda: _held(running) <= (threads + 2, descriptors + 2) or None)
        assert _held(running)[1] <= descriptors + 2
        (folder,) = (state / "lambda").iterdir()
        kept = {path.name for path in folder.iterdir()} - {"code.zip", "task", "compiled"}
        assert len(kept) <= 1, "one process is alive and has a folder"
        client.delete_function(FunctionName=function)
        assert not kept & {path.name for path in folder.iterdir()}


def _held(account: RunningAccount) -> tuple[int, int]:
    """Return how many threads and descriptors the account has."""
    own = Path(f"/proc/{account.process.pid}")
    if not own.exists():
        return 0, 0
    return len(list((own / "task").iterdir())), len(list((own / "fd").iterdir()))


def test_the_log_of_a_process_is_kept_from_growing(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    confined = Confinement("process", leader("process"), tmp_path / "scratch", "", "", "", {})
    flood = f"print('x' * 2**24, flush=True); import time; time.sleep(60) # {secrets.token_hex()}"
    command = [sys.executable, "-c", flood]
    worker = Worker(confined, command, tmp_path / "task", {"AWS_LAMBDA_FUNCTION_NAME": "f"}, "")
    until(lambda: os.fstat(worker.log.fileno()).st_size >= 2**24 or None)
    until(lambda: os.fstat(worker.log.fileno()).st_size == 4 * 2**20 or None)
    worker.discard()
    assert list(tmp_path.iterdir()) == [tmp_path / "task"]


def test_events_that_wait_keep_no_other_event_from_running() -> None:
    ran = threading.Event()

    def invoke(function: Function, payload: bytes, request_id: str) -> Invocation:
        if function.name == "throttled":
            raise Throttled
        ran.set()
        return Invocation(b"1", is_error=False, log="")

    account: Any = None  # no outcome is sent anywhere
    events = EventInvocations(account, invoke)
    for _ in range(100):
        events.accept(_function("throttled"), b"{}")
    events.accept(_function("free"), b"{}")
    assert ran.wait(5)
    events.close()


def _function(name: str) -> Function:
    return Function(
        arn=f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        name=name,
        version="$LATEST",
        handler="main.handler",
        role="arn:aws:iam::123456789012:role/none",
        code=b"",
        code_sha256="",
        environment=(),
        memory_mb=128,
        timeout_seconds=1,
        log_group=f"/aws/lambda/{name}",
    )


def _workers(account: RunningAccount) -> list[str]:
    command, own = ["ps", "-wweo", "ppid=,args="], str(account.process.pid)
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in listed.stdout.splitlines() if "awslambdaric" in line]
    return [line for line in lines if line.split()[0] == own]


def test_the_runtime_api_answers_its_own_process_only() -> None:
    api = RuntimeApi()
    api.request_id = "current"
    api.invocations.put(({}, b"secret payload"))
    runtime, own = "/2018-06-01/runtime", f"/{api.secret}/2018-06-01/runtime"
    refused = [
        ("GET", f"{runtime}/invocation/next", {}),
        ("GET", f"{own}/invocation/next", {"Origin": "http://127.0.0.1"}),
        ("GET", f"{own}/invocation/next", {"Host": "evil.example"}),
        ("POST", f"{runtime}/invocation/current/response", {}),
        ("POST", f"{own}/invocation/former/response", {}),
        ("POST", f"{runtime}/init/error", {"Origin": "http://127.0.0.1"}),
    ]
    assert [_asked(api, *request) for request in refused] == [403] * len(refused)
    assert _asked(api, "GET", f"{own}/invocation/next") == 200
    assert _asked(api, "POST", f"{runtime}/init/error") == 403, "it has been loaded"
    assert not api.answer.done()
    assert _asked(api, "POST", f"{own}/invocation/current/response") == 202
    assert api.answer.result(5) == (b"answer", False)
    api.stop()


def _asked(api: RuntimeApi, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection(api.host, timeout=5)
    connection.request(method, path, b"answer" if method == "POST" else None, headers or {})
    status = connection.getresponse().status
    connection.close()
    return status


def _lines(account: RunningAccount, function: str, start: str = "") -> list[str]:
    logs = account.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events if event["message"].startswith(start)]
