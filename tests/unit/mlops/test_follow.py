"""A run is followed with a line for each finished state where there is no terminal."""

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from mlops import follow as following
from mlops.follow import follow, log_of_failure
from mlops.history import History, read_history
from mlops.target import Target
from tests.unit.mlops.factories import failing_events, run, succeeding_events

NO_TARGET = cast("Target", None)


def _watch(events: list[dict[str, Any]]) -> Iterator[History]:
    for count in range(2, len(events) + 1):
        yield read_history(events[:count])


def _followed(monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]], tty: bool) -> str:
    monkeypatch.setattr(following, "watch", lambda target, arn: _watch(events))
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=tty, width=100, color_system=None)
    assert follow(NO_TARGET, run(), console).status != "RUNNING"
    return printed.getvalue()


def test_without_a_terminal_each_finished_visit_is_printed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = _followed(monkeypatch, succeeding_events(), tty=False).splitlines()
    assert lines[0].startswith("v1.0 → execution v1-0-2d3f5a1fb1da444c")
    assert [line.split()[2:4] for line in lines[1:-1]] == [
        ["WaitForEndpoint", "succeeded"],
        ["Pause", "succeeded"],
        ["WaitForEndpoint", "succeeded"],
    ]
    assert lines[-1] == "  SUCCEEDED 3.5 s"


def test_on_a_terminal_the_picture_ends_with_every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = _followed(monkeypatch, failing_events(), tty=True)
    assert "✗ TrainModel" in printed
    assert "FAILED 2.0 s" in printed


def test_the_log_of_the_failed_job_is_found() -> None:
    class Logs:
        exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

        def describe_log_streams(self, **request: str) -> dict[str, Any]:
            assert request["logStreamNamePrefix"] == "example-v1-0-abc-1/"
            return {"logStreams": [{"logStreamName": "example-v1-0-abc-1/algo-1"}]}

        def get_log_events(self, **request: Any) -> dict[str, Any]:
            return {"events": [{"message": f"line {number}\n"} for number in range(30)]}

    target = cast("Target", SimpleNamespace(logs=Logs()))
    log = log_of_failure(target, read_history(failing_events()))
    assert log[0] == "line 10"
    assert log[-1] == "line 29"


def test_a_run_without_failure_has_no_log_to_show() -> None:
    assert log_of_failure(NO_TARGET, read_history(succeeding_events())) == []
