"""Executions of the pipeline are found, watched, and told why they did not succeed."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlops import pipeline_failures as failures
from mlops.errors import MissingError, PipelineError, RequestError, ResponseError
from mlops.history import read_history as read_run
from mlops.pipeline_failures import (
    action_log,
    action_with_log,
    find_failure,
    require_success,
)
from mlops.pipelines import (
    find_execution,
    list_executions,
    read_actions,
    read_history,
    require_commit,
    superseded_by,
    wait_for_commit,
    wait_for_execution,
    watch,
)
from tests.unit.mlops.factories import failing_events
from tests.unit.mlops.pipeline_factories import (
    BUILD_ID,
    COMMIT,
    FIRST,
    RUN_ARN,
    SECOND,
    CodePipeline,
    action,
    build,
    deployment,
    failed_build,
    summary,
)

SOURCE = action("Source", 0, provider="CodeCommit", externalExecutionId=COMMIT)
TEST_FAILED = action(
    "Test",
    1,
    "Failed",
    externalExecutionId=BUILD_ID,
    errorDetails={"code": "JobFailed", "message": "Build terminated with state: FAILED"},
)
TRAIN_FAILED = action("Train", 9, "Failed", provider="StepFunctions", externalExecutionId=RUN_ARN)


def test_an_execution_has_the_first_line_of_its_commit() -> None:
    (found,) = list_executions(deployment(CodePipeline(summary())), 5)
    assert (found.short_id, found.short_commit, found.message) == ("1a2b3c4d", "0f1e2d3", "Mend it")
    assert (found.trigger, found.seconds) == ("CloudWatchEvent", 20.0)


def test_the_message_of_a_repository_outside_is_in_a_document() -> None:
    told = '{"ProviderType": "GitHub", "CommitMessage": "Mend it\\n\\nwhy"}'
    revision = {"actionName": "Source", "revisionId": COMMIT, "revisionSummary": told}
    pipeline = CodePipeline(summary(sourceRevisions=[revision]))
    assert list_executions(deployment(pipeline), 5)[0].message == "Mend it"


def test_before_its_source_is_read_an_execution_has_no_commit() -> None:
    (found,) = list_executions(deployment(CodePipeline(summary(status="InProgress", commit=""))), 5)
    assert (found.short_commit, found.seconds) == ("-", None)


def test_an_execution_is_found_by_the_beginning_of_its_id_and_by_default() -> None:
    target = deployment(CodePipeline(summary(SECOND), summary(FIRST)))
    assert find_execution(target, None).id == SECOND
    assert find_execution(target, FIRST).id == FIRST
    assert find_execution(target, "1a2b").id == FIRST
    with pytest.raises(MissingError, match="no execution ffff of pipeline Train.*pipelines list"):
        find_execution(target, "ffff")
    with pytest.raises(RequestError, match="EXECUTION is empty"):
        find_execution(target, " ")


def test_two_executions_that_begin_alike_are_named() -> None:
    target = deployment(CodePipeline(summary("aa-1"), summary("aa-2")))
    with pytest.raises(MissingError, match="2 executions begin with aa: aa-1, aa-2"):
        find_execution(target, "aa")


def test_a_pipeline_without_executions_says_so() -> None:
    with pytest.raises(MissingError, match="no execution yet"):
        find_execution(deployment(CodePipeline()), None)
    with pytest.raises(ResponseError, match="has begun no execution within 0 s"):
        wait_for_execution(deployment(CodePipeline()), 0.01)


def test_a_pushed_commit_is_waited_for_until_an_execution_has_read_it() -> None:
    pipeline = CodePipeline(summary(status="InProgress", commit=""))
    target = deployment(pipeline)

    def read(**request: Any) -> Any:
        pages = [{"pipelineExecutionSummaries": list(pipeline.executions)}]
        pipeline.executions = [summary(SECOND, "InProgress"), summary(FIRST, commit="ffff" * 10)]
        return pages

    pipeline._list_pipeline_executions = read  # type: ignore[method-assign]
    assert wait_for_commit(target, COMMIT[:9]).id == SECOND


def test_a_commit_that_nobody_has_read_is_told_with_what_was_read() -> None:
    with pytest.raises(
        ResponseError, match=r"has commit aaaaaaa within 0 s; the newest is 1a2b3c4d"
    ):
        wait_for_commit(deployment(CodePipeline(summary())), "aaaaaaa", 0.01)


@pytest.mark.parametrize("commit", ["HEAD", "abc", "0f1e2d3G", COMMIT + "0"])
def test_what_is_no_commit_is_refused(commit: str) -> None:
    with pytest.raises(RequestError, match="expected 7 to 40 hexadecimal digits"):
        require_commit(commit)


def test_actions_come_in_the_order_of_their_starts() -> None:
    actions = read_actions(deployment(CodePipeline(actions=[SOURCE, TEST_FAILED])), FIRST)
    assert [each.stage for each in actions] == ["Source", "Test"]
    assert actions[0].external_id == COMMIT
    assert actions[1].remark == "Build terminated with state: FAILED"


def test_an_action_that_succeeded_when_it_was_retried_has_not_failed() -> None:
    pipeline = CodePipeline(summary(), actions=[SOURCE, TEST_FAILED])
    assert read_history(deployment(pipeline), FIRST).failed_action is not None
    pipeline.actions.append(action("Test", 5, externalExecutionId="other"))
    assert read_history(deployment(pipeline), FIRST).failed_action is None


def test_watching_ends_with_the_execution() -> None:
    pipeline = CodePipeline(summary(status="InProgress"))
    seen = watch(deployment(pipeline), FIRST)
    assert next(seen).execution.goes_on
    pipeline.executions = [summary()]
    assert [each.execution.status for each in seen] == ["Succeeded"]


def test_a_failed_build_is_told_with_its_phase_its_cause_and_its_last_lines() -> None:
    pipeline = CodePipeline(summary(status="Failed"), actions=[SOURCE, TEST_FAILED])
    target = deployment(pipeline, failed_build())
    history = read_history(target, FIRST)
    failure = find_failure(target, history)
    assert failure is not None
    assert (failure.stage, failure.where) == ("Test", "BUILD")
    assert failure.cause == (
        "COMMAND_EXECUTION_ERROR: Error while executing command: pytest. Reason: exit status 1"
    )
    assert (len(failure.log), failure.log[-1]) == (20, "line 89"), "not CodeBuild's own lines"
    with pytest.raises(PipelineError) as told:
        require_success(target, history, failure)
    for words in ("1a2b3c4d of commit 0f1e2d3", "in stage Test (BUILD)", "logs 1a2b3c4d --stage"):
        assert words in str(told.value)


def test_a_build_that_codebuild_has_forgotten_leaves_the_action_s_own_words() -> None:
    pipeline = CodePipeline(summary(status="Failed"), actions=[TEST_FAILED])
    target = deployment(pipeline)
    failure = find_failure(target, read_history(target, FIRST))
    assert failure is not None
    assert (failure.cause, failure.log) == ("Build terminated with state: FAILED", [])


def test_a_failed_run_is_told_with_its_state_and_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "execution_history", lambda *_: read_run(failing_events()))
    monkeypatch.setattr(failures, "log_of_failure", lambda *_: ["no rows"])
    target = deployment(CodePipeline(summary(status="Failed"), actions=[TRAIN_FAILED]))
    failure = find_failure(target, read_history(target, FIRST))
    assert failure is not None
    assert (failure.where, failure.log) == ("TrainModel", ["no rows"])
    assert failure.cause == "TrainingFailed: no rows at all"


def test_a_superseded_execution_names_the_one_that_went_on() -> None:
    target = deployment(CodePipeline(summary(SECOND), summary(FIRST, "Superseded")))
    history = read_history(target, FIRST)
    newer = superseded_by(target, history.execution)
    assert newer is not None
    assert newer.id == SECOND
    with pytest.raises(PipelineError, match=r"was superseded by 5e6f7a8b .*follow 5e6f7a8b`"):
        require_success(target, history, None)


def test_a_stopped_execution_names_the_reason() -> None:
    stopped = summary(status="Stopped", stopTrigger={"reason": "wrong branch"})
    target = deployment(CodePipeline(stopped))
    with pytest.raises(
        PipelineError, match=rf"ended Stopped: wrong branch\. .*start --commit {COMMIT}`"
    ):
        require_success(target, read_history(target, FIRST), None)


def test_success_is_no_error() -> None:
    target = deployment(CodePipeline(summary(), actions=[SOURCE]))
    history = read_history(target, FIRST)
    assert find_failure(target, history) is None
    require_success(target, history, None)


def test_the_log_is_of_the_stage_that_is_named_else_of_the_one_that_failed() -> None:
    built = action("Build", 5, externalExecutionId="other:1")
    pipeline = CodePipeline(summary(), actions=[SOURCE, TEST_FAILED, built])
    target = deployment(pipeline, build())
    history = read_history(target, FIRST)
    assert action_with_log(history, None).stage == "Test"
    assert action_with_log(history, "build").stage == "Build"
    with pytest.raises(MissingError, match="stage Source has no log .* with one: Test, Build"):
        action_with_log(history, "Source")
    log = action_log(target, action_with_log(history, "Test"), 11)
    assert (len(log), log[0]) == (11, "line 89")


def test_the_log_of_the_last_stage_is_that_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = read_run(failing_events())
    monkeypatch.setattr(failures, "execution_history", lambda *_: run)
    monkeypatch.setattr(failures, "state_log", lambda target, visit, lines: [visit.name])
    target = deployment(CodePipeline(summary(), actions=[TRAIN_FAILED]))
    history = read_history(target, FIRST)
    assert action_log(target, action_with_log(history, None), 5) == ["TrainModel"]


def test_a_log_that_is_gone_is_empty() -> None:
    class Gone:
        exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

        def get_log_events(self, **request: Any) -> None:
            raise KeyError

    pipeline = CodePipeline(summary(), actions=[TEST_FAILED])
    target = deployment(pipeline, failed_build(), logs=Gone())
    failure = find_failure(target, read_history(target, FIRST))
    assert failure is not None
    assert failure.log == []
