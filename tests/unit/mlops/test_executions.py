"""Runs are started, stopped and retried; what cannot be is refused before anything is asked."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from mlops import executions
from mlops.cli import app
from mlops.errors import MissingError, RequestError
from mlops.executions import (
    execution_name,
    parse_hyperparameters,
    retry_run,
    start_run,
    stop_run,
    wait_until_ended,
)
from mlops.target import Deployment
from tests.unit.mlops.factories import NAME, START, run

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"


class States:
    """Step Functions with one execution, which ends when it is stopped."""

    def __init__(self, asked: dict[str, Any] | None = None, status: str = "RUNNING") -> None:
        self.asked, self.status = asked or {}, status
        self.started: list[dict[str, Any]] = []
        self.stopped: list[dict[str, Any]] = []

    def start_execution(self, **request: Any) -> dict[str, str]:
        self.started.append(request)
        self.asked = json.loads(request["input"])
        return {"executionArn": MACHINE.replace("stateMachine", "execution") + ":new"}

    def stop_execution(self, **request: Any) -> None:
        self.stopped.append(request)
        self.status = "ABORTED"

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        return {
            "name": executionArn.rpartition(":")[2],
            "status": self.status,
            "startDate": START,
            "input": json.dumps(self.asked),
            "output": "{}",
        }


def _absent(**request: str) -> None:
    raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")


def _deployment(
    states: States, head: Any = lambda **request: {"VersionId": "7"}, env: str = "dev"
) -> Deployment:
    target = SimpleNamespace(
        stepfunctions=states, s3=SimpleNamespace(head_object=head), poll_seconds=0.0
    )
    known = SimpleNamespace(env=env, bucket="b", state_machine_arn=MACHINE, target=target)
    return cast("Deployment", known)


def test_a_run_is_started_on_the_manifest_that_was_looked_at() -> None:
    states = States()
    started = start_run(_deployment(states), "v1.0", {"eta": "0.1"}, again=True)
    (request,) = states.started
    assert json.loads(request["input"]) == {
        "trigger": "manual",
        "dataset": "v1.0",
        "manifest_version_id": "7",
        "hyperparameters": {"eta": "0.1"},
        "again": True,
    }
    assert request["stateMachineArn"] == MACHINE
    assert (started.trigger, started.dataset) == ("manual", "v1.0")


def test_a_version_without_a_manifest_starts_nothing() -> None:
    states = States()
    with pytest.raises(MissingError, match=r"s3://b/v9/_MANIFEST.json is not there"):
        start_run(_deployment(states, _absent), "v9", {}, again=False)
    assert states.started == []


@pytest.mark.parametrize("name", ["../x", "", "a b", "runs", "x" * 64, "-v1", "v1/"])
def test_a_name_that_is_no_version_starts_nothing(name: str) -> None:
    states = States()
    with pytest.raises(RequestError, match="expected a version name"):
        start_run(_deployment(states, _absent), name, {}, again=False)
    assert states.started == []


def test_hyperparameters_are_strings_by_name() -> None:
    given = ["eta=0.1", "objective=reg:squarederror", "note=a=b"]
    assert parse_hyperparameters(given) == {
        "eta": "0.1",
        "objective": "reg:squarederror",
        "note": "a=b",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["eta"], "expected NAME=VALUE"),
        (["=1"], "the name is ''"),
        (["e ta=1"], "the name is 'e ta'"),
        (["é=1"], "the name is"),
        (["eta="], "printable characters"),
        (["eta=a\x00b"], "printable characters"),
        (["eta=1\n"], "printable characters"),
        (["eta=NaN"], "the value is NaN; expected a finite number"),
        (["eta=-inf"], "the value is -inf"),
        (["eta= infinity "], "the value is infinity"),
        (["eta=1e999"], "the value is 1e999"),
        (["eta=" + "1" * 2501], "2501 characters"),
        (["eta=1", "eta=2"], "eta is given twice"),
        ([f"n{number}=1" for number in range(101)], "at most 100"),
    ],
)
def test_a_malformed_setting_is_refused(given: list[str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        parse_hyperparameters(given)


def test_a_malformed_setting_asks_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    result = CliRunner().invoke(app, ["runs", "start", "--dataset", "v1.0", "--set", "eta"])
    assert result.exit_code == 1
    assert "--set 'eta': expected NAME=VALUE" in result.stderr


@pytest.mark.parametrize(
    ("dataset", "kind", "pattern"),
    [
        ("v1.0", "", r"v1-0-\d{8}T\d{6}-[0-9a-f]{4}"),
        ("V1..0_x", "retry", r"v1-0-x-retry-\d{8}T\d{6}-[0-9a-f]{4}"),
        ("x" * 63, "retry", r"x{40}-retry-\d{8}T\d{6}-[0-9a-f]{4}"),
    ],
)
def test_names_of_executions_are_allowed_and_new(dataset: str, kind: str, pattern: str) -> None:
    names = {execution_name(dataset, kind) for _ in range(20)}
    assert len(names) > 1
    for name in names:
        assert re.fullmatch(pattern, name)
        assert len(name) <= 80


def test_a_retry_asks_for_the_same_again() -> None:
    asked = {"trigger": "upload", "dataset": "v1.0", "manifest_version_id": "3", "again": False}
    states = States(asked, "FAILED")
    retry_run(_deployment(states), replace(run(), status="FAILED"))
    (request,) = states.started
    assert json.loads(request["input"]) == asked | {"trigger": "retry"}
    assert request["name"].startswith("v1-0-retry-")


@pytest.mark.parametrize("dataset", ["v1.0", None])
def test_a_retry_of_a_commits_run_hands_its_images_and_its_commit_on(dataset: str | None) -> None:
    asked = {
        "trigger": "code",
        "dataset": dataset,
        "image": {"training": "models@sha256:1", "processing": "models@sha256:2"},
        "commit": "0f" * 20,
        "author": "A <a@b>",
        "message": "Mend it",
    }
    states = States(asked, "FAILED")
    retry_run(_deployment(states), replace(run(), status="FAILED"))
    (request,) = states.started
    assert json.loads(request["input"]) == asked | {"trigger": "retry"}
    assert request["name"].startswith("v1-0-retry-" if dataset else "newest-retry-")


def test_of_a_run_that_found_no_data_the_version_is_left_to_say() -> None:
    nothing = replace(run(), status="SUCCEEDED", dataset="-")
    with pytest.raises(RequestError, match="runs start --dataset VERSION --again`"):
        retry_run(_deployment(States()), nothing)


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "PENDING_REDRIVE"])
def test_what_runs_or_has_succeeded_is_not_retried(status: str) -> None:
    states = States({"dataset": "v1.0"}, status)
    with pytest.raises(RequestError, match=f"is {status}; only one that failed"):
        retry_run(_deployment(states), replace(run(), status=status))
    assert states.started == []


@pytest.mark.parametrize(
    ("status", "words"),
    [("SUCCEEDED", "--dataset v1.0 --again --env prod`"), ("RUNNING", "2d3f5a1f --env prod`")],
)
def test_what_to_do_instead_of_a_retry_names_the_environment(status: str, words: str) -> None:
    deployment = _deployment(States(), env="prod")
    with pytest.raises(RequestError, match=words):
        retry_run(deployment, replace(run(), status=status))


def test_an_input_without_a_data_set_is_not_retried() -> None:
    with pytest.raises(RequestError, match="input without a data set"):
        retry_run(_deployment(States({}, "FAILED")), replace(run(), status="FAILED"))


def test_a_stopped_run_has_ended_when_the_command_returns() -> None:
    states = States({"dataset": "v1.0"})
    ended = stop_run(_deployment(states), replace(run(), status="RUNNING"), "wrong data")
    assert ended.status == "ABORTED"
    assert states.stopped == [
        {"executionArn": run().execution_arn, "error": "OperatorStopped", "cause": "wrong data"}
    ]


def test_a_run_that_has_ended_is_not_stopped() -> None:
    states = States({}, "SUCCEEDED")
    with pytest.raises(RequestError, match=f"run {NAME} ended SUCCEEDED already"):
        stop_run(_deployment(states), run(), "")
    assert states.stopped == []


def test_a_run_that_does_not_end_is_said_to_run_still() -> None:
    with pytest.raises(RequestError, match="runs still after 0 s"):
        wait_until_ended(_deployment(States()), run(), seconds=0.01)


def test_the_error_of_a_stopped_execution_has_one_name() -> None:
    assert executions.STOPPED == "OperatorStopped"
