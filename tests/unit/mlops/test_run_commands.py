"""Commands on runs: the account first, JSON alone where it is asked for, and what comes next."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from mlops import executions, follow, kept, logs, run_report, teardown
from mlops import reproduce as reproduction
from mlops import runs as run_module
from mlops.cli import app
from mlops.commands import common
from mlops.errors import RequestError
from mlops.history import History, read_history
from mlops.kept import Kept
from mlops.links import execution_link
from mlops.project import PARTS, load_project
from mlops.reproduce import Reproduction
from mlops.run_report import Ending, Registered, RunReport, StagingWait
from mlops.target import Target
from mlops.teardown_steps import Leftover
from tests.unit.mlops.factories import NAME, START, event, failing_events, run, succeeding_events

LINE = "embedded account 123456789012 us-east-1 http://127.0.0.1:1"
HOLDER = "arn:aws:states:us-east-1:123456789012:execution:machine:other"


class _Target(SimpleNamespace):
    embedded = True
    poll_seconds = 0.0

    def __str__(self) -> str:
        return LINE

    def stack_outputs(self, stack: str) -> dict[str, str]:
        return {}


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(common, "find_target", lambda: cast("Target", _Target()))
    monkeypatch.setattr(run_module, "find_run", lambda deployment, reference: run())
    monkeypatch.setattr(run_module, "describe_run", lambda target, arn: run())
    return CliRunner()


def _report(history: History) -> RunReport:
    return RunReport(
        run=run(),
        history=history,
        log=["no rows"],
        staging=StagingWait(42.0, HOLDER),
        registered=Registered("arn:group/7", "Rejected", "EndpointFailed: x"),
        ending=Ending(START, START),
        links={"execution": execution_link(cast("Target", _Target()), "arn:x")},
    )


def test_show_tells_all_that_is_known(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_report, "report", lambda *_: _report(read_history(failing_events())))
    printed = cli.invoke(app, ["runs", "show"]).stdout.splitlines()
    assert printed[0] == LINE
    for line in (
        f"v1.0 → execution {NAME} (trigger upload)",
        f"waited 42 s for staging, held by {HOLDER}",
        "TrainingFailed: no rows at all",
        "  | no rows",
        "version 7 Rejected (EndpointFailed: x)",
        "cleaned up and reported",
        "execution: .venv/bin/aws stepfunctions describe-execution --execution-arn arn:x",
    ):
        assert line in printed


def test_visits_of_a_loop_are_one_line(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _report(read_history(succeeding_events()))
    monkeypatch.setattr(run_report, "report", lambda *_: report)
    lines = [line.split() for line in cli.invoke(app, ["runs", "show"]).stdout.splitlines()]
    assert ["WaitForEndpoint", "succeeded", "0.0", "1.5", "2"] in lines


def test_show_as_json_has_every_part(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_report, "report", lambda *_: _report(read_history(failing_events())))
    document = json.loads(cli.invoke(app, ["runs", "show", "--json"]).stdout)
    assert document["staging"] == {"seconds": 42.0, "holder": HOLDER}
    assert document["registered"]["approval_status"] == "Rejected"
    assert document["ending"]["completed"] == "2026-11-21T12:00:00.000Z"
    assert document["states"][0]["name"] == "TrainModel"
    assert "context" not in document["states"][0]
    assert document["links"]["execution"].startswith(".venv/bin/aws")


def test_logs_are_those_of_one_state(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "execution_history", lambda *_: read_history(failing_events()))
    monkeypatch.setattr(logs, "state_log", lambda target, visit, lines: ["one", "two"][-lines:])
    printed = cli.invoke(app, ["runs", "logs", "--lines", "1"]).stdout.splitlines()
    assert printed == [LINE, f"v1.0 → execution {NAME}, state TrainModel caught", "two"]


def test_start_prints_the_execution_and_how_to_follow_it(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def start_run(deployment: Any, *rest: Any) -> Any:
        asked.extend(rest)
        return run()

    monkeypatch.setattr(executions, "start_run", start_run)
    command = ["runs", "start", "--dataset", "v1.0", "--set", "eta=0.1", "--again"]
    printed = cli.invoke(app, command).stdout.splitlines()
    assert asked == ["v1.0", {"eta": "0.1"}, True]
    assert printed[:2] == [LINE, f"started execution {NAME} on v1.0"]
    assert "mlops runs follow v1-0-2d3f5a1f" in printed[2]
    document = json.loads(cli.invoke(app, [*command, "--json"]).stdout)
    assert document["name"] == NAME


def test_what_comes_next_acts_on_the_same_environment(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "start_run", lambda *_: run())
    monkeypatch.setattr(executions, "stop_run", lambda *_: replace(run(), status="ABORTED"))
    command = ["runs", "start", "--dataset", "v1.0", "--env", "prod"]
    assert "mlops runs follow v1-0-2d3f5a1f --env prod`" in cli.invoke(app, command).stdout
    command = ["runs", "stop", NAME, "--yes", "--env", "prod"]
    assert "mlops runs show v1-0-2d3f5a1f --env prod`" in cli.invoke(app, command).stdout


def test_a_duplicate_that_is_followed_says_what_that_means(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = {"run": {"status": "Duplicate", "duplicate_of": HOLDER}}
    history = read_history(
        [
            event(1, 0, "ExecutionStarted", 0),
            event(2, 0, "SucceedStateEntered", 1, name="Duplicate", input=json.dumps(entered)),
            event(3, 0, "ExecutionSucceeded", 2),
        ]
    )
    monkeypatch.setattr(executions, "start_run", lambda *_: run())
    monkeypatch.setattr(follow, "follow", lambda *_: history)
    ended = replace(run(), outcome="Duplicate")
    monkeypatch.setattr(run_module, "describe_run", lambda target, arn: ended)
    result = cli.invoke(app, ["runs", "start", "--dataset", "v1.0", "--follow"])
    assert result.exit_code == 0
    assert f"Duplicate: {HOLDER} has registered, or is making, a version" in result.stdout
    assert "--again" in result.stdout


def test_stop_says_what_happens_after_the_end(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = replace(run(), status="ABORTED")
    monkeypatch.setattr(executions, "stop_run", lambda *_: stopped)
    printed = cli.invoke(app, ["runs", "stop", NAME, "--yes"]).stdout
    assert printed.splitlines()[:2] == [LINE, f"run {NAME} ended ABORTED"]
    for words in ("stops its jobs", "rejects the version", "staging", "notification"):
        assert words in printed


def test_stop_asks_before_it_stops(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    running = replace(run(), status="RUNNING", stopped=None)
    monkeypatch.setattr(run_module, "find_run", lambda *_: running)
    monkeypatch.setattr(executions, "stop_run", lambda *_: pytest.fail("was not confirmed"))
    assert cli.invoke(app, ["runs", "stop", NAME], input="n\n").exit_code == 1


def test_a_refused_retry_is_one_line(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RequestError("run x is SUCCEEDED")

    monkeypatch.setattr(executions, "retry_run", refuse)
    result = cli.invoke(app, ["runs", "retry", NAME])
    assert (result.exit_code, result.stderr) == (1, "error: run x is SUCCEEDED\n")


@pytest.mark.parametrize(("expected", "code"), [("a", 0), ("b", 1)])
def test_another_model_ends_reproduce_with_1(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch, expected: str, code: int
) -> None:
    result = Reproduction("arn", "job", "image", "a", expected, "model version 1", "f", {})
    monkeypatch.setattr(reproduction, "reproduce", lambda *_: result)
    assert cli.invoke(app, ["runs", "reproduce", NAME]).exit_code == code


LEFT = [Leftover("execution", "arn:run"), Leftover("endpoint", "staging")]
REPOSITORIES = [Leftover("repository with its images", "models")]
STAYS = [Kept("AWS::S3::Bucket", "bucket", "retained")]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teardown, "leftovers", lambda deployment: LEFT)
    monkeypatch.setattr(teardown, "clear", lambda *_: pytest.fail("a plan deletes nothing"))
    monkeypatch.setattr(kept, "kept", lambda deployment: STAYS)
    monkeypatch.setattr(kept, "deleted_repositories", lambda deployment: REPOSITORIES)


@pytest.mark.usefixtures("planned")
def test_a_plan_lists_what_goes_in_order_and_what_stays(cli: CliRunner) -> None:
    lines = cli.invoke(app, ["destroy", "--plan"]).stdout.splitlines()
    assert lines[0] == LINE
    stacks = [["delete", "stack", f"{load_project().name}-dev-{part}"] for part in reversed(PARTS)]
    assert [line.split()[1:4] for line in lines[2:8]] == [
        ["stop", "execution", "arn:run"],
        ["delete", "endpoint", "staging"],
        ["delete", "repository", "with"],
        *stacks,
    ]
    assert stacks[0][2].endswith("-model-code"), "what starts runs goes first"
    assert any(line.split() == ["AWS::S3::Bucket", "bucket", "retained"] for line in lines)


@pytest.mark.usefixtures("planned")
def test_a_plan_as_json_is_alone_on_standard_output(cli: CliRunner) -> None:
    document = json.loads(cli.invoke(app, ["destroy", "--plan", "--json"]).stdout)
    assert document["goes"][0] == {"action": "stop", "kind": "execution", "name": "arn:run"}
    assert document["stays"][0]["reason"] == "retained"


@pytest.mark.usefixtures("planned")
def test_destroy_asks_after_it_has_shown_the_plan(cli: CliRunner) -> None:
    result = cli.invoke(app, ["destroy"], input="n\n")
    assert result.exit_code == 1
    assert "Destroy all this" in result.stdout


def test_json_of_a_destruction_is_refused(cli: CliRunner) -> None:
    assert cli.invoke(app, ["destroy", "--json"]).exit_code == 2
