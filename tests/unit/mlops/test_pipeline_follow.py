"""An execution is followed with a line for each finished action, and for each state of its run."""

import io
from typing import Any

import pytest
from rich.console import Console

from mlops import pipeline_follow as following
from mlops.history import History
from mlops.history import read_history as read_run
from mlops.pipeline_follow import follow
from tests.unit.mlops.factories import failing_events, succeeding_events
from tests.unit.mlops.pipeline_factories import (
    COMMIT,
    RUN_ARN,
    CodePipeline,
    action,
    deployment,
    execution,
    summary,
)

SOURCE = action("Source", 0, provider="CodeCommit", externalExecutionId=COMMIT)
TRAIN = {"provider": "StepFunctions", "externalExecutionId": RUN_ARN}


class _Scenes(CodePipeline):
    """Each look at the pipeline shows the next scene: its execution and its actions."""

    def __init__(self, *scenes: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
        super().__init__()
        self.scenes = list(scenes)

    def _list_pipeline_executions(self, **request: Any) -> Any:
        shown, self.actions = self.scenes.pop(0)
        self.executions = [shown]
        return super()._list_pipeline_executions(**request)


def _story(last: str = "Succeeded") -> _Scenes:
    train = "Succeeded" if last == "Succeeded" else "Failed"
    return _Scenes(
        (summary(status="InProgress", commit=""), []),
        (summary(status="InProgress"), [SOURCE, action("Test", 1, "InProgress")]),
        (summary(status="InProgress"), [SOURCE, action("Test", 1)]),
        (
            summary(status="InProgress"),
            [SOURCE, action("Test", 1), action("Train", 9, "InProgress", **TRAIN)],
        ),
        (summary(status=last), [SOURCE, action("Test", 1), action("Train", 9, train, **TRAIN)]),
    )


def _followed(monkeypatch: pytest.MonkeyPatch, story: _Scenes, run: list[Any], tty: bool) -> str:
    looks: list[History] = [read_run(run[:4]), read_run(run)]
    monkeypatch.setattr(following, "execution_history", lambda target, arn: looks.pop(0))
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=tty, width=120, color_system=None)
    history = follow(deployment(story), execution("InProgress"), console)
    assert not history.execution.goes_on
    return printed.getvalue()


def test_without_a_terminal_each_thing_is_printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _followed(monkeypatch, _story(), succeeding_events(), tty=False).splitlines()
    assert lines[0] == "commit 0f1e2d3 Mend it → pipeline execution 1a2b3c4d (CloudWatchEvent)"
    assert [line.split() for line in lines[1:]] == [
        ["0.0", "s", "Source", "Succeeded", "3.0", "s"],
        ["1.0", "s", "Test", "Succeeded", "3.0", "s"],
        ["·", "WaitForEndpoint", "succeeded", "1.0", "s"],
        ["·", "Pause", "succeeded", "2.0", "s"],
        ["·", "WaitForEndpoint", "succeeded", "0.5", "s"],
        ["9.0", "s", "Train", "Succeeded", "3.0", "s"],
        ["Succeeded", "20.0", "s"],
    ]


def test_the_state_that_failed_is_shown_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = _followed(monkeypatch, _story("Failed"), failing_events(), tty=False)
    assert "TrainModel             caught       2.0 s  States.TaskFailed" in printed
    assert printed.endswith("  Failed 20.0 s\n")


def test_an_execution_that_ends_before_its_source_is_read_has_a_title_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = _Scenes((summary(status="Stopped", commit=""), []))
    lines = _followed(monkeypatch, stopped, [], tty=False).splitlines()
    assert lines == ["pipeline execution 1a2b3c4d (CloudWatchEvent)", "  Stopped 20.0 s"]


def test_on_a_terminal_the_picture_ends_with_every_action_and_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = _followed(monkeypatch, _story("Failed"), failing_events(), tty=True)
    for words in ("✓ Source", "✓ Test", "✗ Train", "✗ RunFailed", "Failed 20.0 s"):
        assert words in printed


def test_a_long_remark_ends_after_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "the unit tests of the model code ended with a failure of their command: exit status 1"
    failed = action("Test", 1, "Failed", errorDetails={"code": "JobFailed", "message": words})
    story = _Scenes((summary(status="Failed"), [SOURCE, failed]))
    last = _followed(monkeypatch, story, succeeding_events(), tty=False).splitlines()[2]
    assert last.endswith(" …")
    assert last.rsplit(None, 2)[1] in words.split()
