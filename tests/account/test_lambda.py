"""Functions run their own code in processes of their own, and fail as they do on AWS."""

import io
import json
import subprocess
import textwrap
import time
import zipfile
from typing import Any

import pytest

from tests.conftest import RunningAccount, start_account

ROLE = "arn:aws:iam::123456789012:role/function"
CODE = """
    import os, subprocess, time

    calls = 0

    def handler(event, context):
        global calls
        calls += 1
        print("handling", event)
        if event.get("child"):
            subprocess.Popen(["sleep", event["child"]])
        if event.get("flood"):
            print(("x" * 999 + "\\n") * event["flood"])
        if event.get("raise"):
            raise ValueError(event["raise"])
        if event.get("exit"):
            os._exit(3)
        time.sleep(event.get("sleep", 0))
        return {
            "calls": calls,
            "environment": dict(os.environ),
            "remaining": context.get_remaining_time_in_millis(),
            "arn": context.invoked_function_arn,
        }
"""


@pytest.fixture(scope="module")
def function(account: RunningAccount) -> str:
    account.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument="{}")
    return _create(account, "echo", CODE)


def _create(account: RunningAccount, name: str, code: str, handler: str = "main.handler") -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("main.py", textwrap.dedent(code))
    account.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=ROLE,
        Handler=handler,
        Code={"ZipFile": archive.getvalue()},
        Timeout=2,
        Environment={"Variables": {"TABLE": "a table"}},
    )
    return name


def _invoke(account: RunningAccount, name: str, **event: Any) -> tuple[str | None, Any]:
    answer = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_a_function_answers_from_a_warm_process_without_the_hosts_environment(
    account: RunningAccount, function: str
) -> None:
    _, first = _invoke(account, function)
    _, second = _invoke(account, function)
    assert second["calls"] == first["calls"] + 1
    assert first["environment"]["TABLE"] == "a table"
    assert "PYTEST_CURRENT_TEST" not in first["environment"]
    assert not {name for name in first["environment"] if name.startswith("VIRTUAL_ENV")}
    assert 0 < first["remaining"] <= 2000
    assert first["arn"].endswith(":function:echo")


def test_what_a_function_raises_is_its_error_document(
    account: RunningAccount, function: str
) -> None:
    kind, error = _invoke(account, function, **{"raise": "no such row"})
    assert kind == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such row")
    assert any("main.py" in line for line in error["stackTrace"])


def test_a_function_that_takes_too_long_is_stopped(account: RunningAccount, function: str) -> None:
    kind, error = _invoke(account, function, sleep=30)
    assert kind == "Unhandled"
    assert "timed out after 2.00 seconds" in error["errorMessage"]
    assert _invoke(account, function)[0] is None, "the next invocation gets a new process"


def test_a_function_whose_process_ends_is_an_error(account: RunningAccount, function: str) -> None:
    kind, error = _invoke(account, function, exit=True)
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ExitError")


def test_a_handler_that_does_not_exist_is_named(account: RunningAccount, function: str) -> None:
    kind, error = _invoke(account, _create(account, "lost", CODE, "main.nothing"))
    assert kind == "Unhandled"
    assert "nothing" in error["errorMessage"]


def test_what_a_function_prints_is_in_its_log_group(account: RunningAccount, function: str) -> None:
    _invoke(account, function, marker="in the log")
    events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/echo")["events"]
    messages = [event["message"] for event in events]
    assert any("handling" in line and "in the log" in line for line in messages)
    assert any(line.startswith("REPORT RequestId") for line in messages)


def test_a_flood_of_output_is_cut(account: RunningAccount) -> None:
    function = _create(account, "flooding", CODE)
    assert _invoke(account, function, flood=6000)[0] is None
    logs, group = account.client("logs"), "/aws/lambda/flooding"
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    messages = [event["message"] for page in pages for event in page["events"]]
    assert any(line.startswith("The rest is left out: over ") for line in messages)
    assert len(messages) < 5000
    assert _invoke(account, function)[1]["calls"] == 2


def test_what_a_function_started_ends_with_it_and_with_a_killed_account(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start_account(tmp_path_factory.mktemp("killed-function")) as running:
        running.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument="{}")
        function = _create(running, "orphan", CODE)
        running.client("lambda").update_function_configuration(FunctionName=function, Timeout=60)
        assert _invoke(running, function, child="1234501", exit=True)[0] == "Unhandled"
        _wait_until_gone("sleep 1234501")
        running.client("lambda").invoke(
            FunctionName=function,
            InvocationType="Event",
            Payload=b'{"child": "1234502", "sleep": 60}',
        )
        deadline = time.monotonic() + 10
        while not _running("sleep 1234502") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _running("sleep 1234502")
        running.process.kill()
        running.process.wait(10)
    _wait_until_gone("sleep 1234502")


def _running(command: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return command in listed.stdout.splitlines()


def _wait_until_gone(command: str) -> None:
    deadline = time.monotonic() + 10
    while _running(command):
        assert time.monotonic() < deadline, f"{command} still runs"
        time.sleep(0.05)


def test_an_event_invocation_does_not_wait(account: RunningAccount, function: str) -> None:
    started = time.monotonic()
    answer = account.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=b'{"sleep": 1.5}'
    )
    assert answer["StatusCode"] == 202
    assert time.monotonic() - started < 1
