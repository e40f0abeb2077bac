"""Events of an execution become visits of states."""

from datetime import timedelta

import pytest

from mlops.errors import RunFailedError
from mlops.follow import require_success, state_lines
from mlops.history import Job, read_history, readable_cause
from tests.unit.mlops.factories import START, event, failing_events, run, succeeding_events


def test_each_visit_of_a_loop_is_listed_with_its_time() -> None:
    history = read_history(succeeding_events())
    visits = [(visit.name, visit.seconds(START)) for visit in history.visits]
    assert visits == [("WaitForEndpoint", 1.0), ("Pause", 2.0), ("WaitForEndpoint", 0.5)]
    assert history.status == "SUCCEEDED"
    assert history.seconds() == 3.5
    assert history.failed_visit is None


def test_visits_of_a_state_are_shown_as_one_line() -> None:
    lines = state_lines(read_history(succeeding_events()), START)
    assert [(line.name, line.visits, line.seconds) for line in lines] == [
        ("WaitForEndpoint", 2, 1.5),
        ("Pause", 1, 2.0),
    ]


def test_a_state_that_has_not_exited_runs_until_now() -> None:
    history = read_history(succeeding_events()[:2])
    (line,) = state_lines(history, START + timedelta(seconds=7))
    assert (line.status, line.seconds) == ("running", 7.0)
    assert history.status == "RUNNING"


def test_a_caught_failure_names_state_error_cause_and_job() -> None:
    history = read_history(failing_events())
    visit = history.failed_visit
    assert visit is not None
    assert (visit.name, visit.status, visit.error) == ("TrainModel", "caught", "States.TaskFailed")
    assert readable_cause(visit.cause) == "AlgorithmError: no rows"
    assert visit.job == Job("example-v1-0-abc-1", "/aws/sagemaker/TrainingJobs")


def test_a_fail_state_takes_the_error_of_the_execution() -> None:
    history = read_history(failing_events())
    last = history.visits[-1]
    assert (last.name, last.status, last.error) == ("RunFailed", "failed", "TrainingFailed")
    assert last.exited is not None


def test_a_retried_task_that_succeeds_is_no_failure() -> None:
    events = [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 0, name="CreateModel"),
        event(3, 1, "TaskFailed", 2, error="Throttled", cause="slow down"),
        event(4, 2, "TaskSucceeded", 3),
        event(5, 2, "TaskStateExited", 4, name="CreateModel"),
    ]
    (visit,) = read_history(events).visits
    assert (visit.status, visit.failures) == ("succeeded", 1)


def test_branches_that_interleave_keep_their_own_events() -> None:
    events = [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 1, name="Left"),
        event(3, 0, "TaskStateEntered", 1, name="Right"),
        event(4, 1, "TaskFailed", 2, error="Broken"),
        event(5, 2, "TaskStateExited", 3, name="Right"),
    ]
    left, right = read_history(events).visits
    assert (left.error, right.status) == ("Broken", "succeeded")


def test_an_aborted_execution_leaves_no_state_running() -> None:
    events = [*succeeding_events()[:2], event(3, 5, "ExecutionAborted", 2)]
    history = read_history(events)
    assert history.status == "ABORTED"
    assert history.visits[0].status == "aborted"


def test_success_is_required_in_one_line_that_says_where_and_why() -> None:
    with pytest.raises(RunFailedError) as caught:
        require_success("prod", run(), read_history(failing_events()))
    message = str(caught.value)
    assert "in TrainModel: TrainingFailed: no rows at all" in message
    assert "`.venv/bin/mlops runs show v1-0-2d3f5a1f --env prod`" in message


@pytest.mark.parametrize(
    ("cause", "readable"),
    [
        (None, ""),
        ("plain\n text", "plain text"),
        ('{"errorMessage": "no image", "errorType": "E"}', "no image"),
        ('{"other": 1}', '{"other": 1}'),
        ("[1]", "[1]"),
    ],
)
def test_a_cause_is_read_whatever_its_form(cause: str | None, readable: str) -> None:
    assert readable_cause(cause) == readable
