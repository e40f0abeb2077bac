"""Executions are started, retried, stopped, approved and rejected, or it is told why not."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlops import builds
from mlops.errors import MissingError, RequestError
from mlops.pipeline_control import (
    answer_approval,
    find_approval,
    retry_stage,
    start_execution,
    stop_execution,
    wait_until_ended,
)
from mlops.teardown_pipeline import of_model_code
from mlops.teardown_steps import Leftover, remove
from tests.unit.mlops.pipeline_factories import (
    BUILD_ID,
    COMMIT,
    FIRST,
    PIPELINE,
    SECOND,
    CodePipeline,
    action,
    build,
    deployment,
    execution,
    summary,
)

FAILED = action("Build", 5, "Failed", externalExecutionId=BUILD_ID)
LEFT_ALONE = action("Build", 5, "Abandoned", externalExecutionId=BUILD_ID)
OTHER_BUILD = "example-build:22222222-2222-3333-4444-555555555555"


class NoCommit(Exception):
    """The repository has no such commit."""


def _codecommit(known: str) -> Any:
    def get_commit(repositoryName: str, commitId: str) -> None:
        assert repositoryName == "ModelCode"
        if commitId != known:
            raise NoCommit

    exceptions = SimpleNamespace(CommitIdDoesNotExistException=NoCommit)
    return SimpleNamespace(get_commit=get_commit, exceptions=exceptions)


def test_an_execution_is_started_of_the_newest_commit() -> None:
    pipeline = CodePipeline(summary())
    assert start_execution(deployment(pipeline)).id == SECOND
    assert pipeline.asked == [("start", {"name": PIPELINE})]


def test_an_execution_is_started_of_a_commit_that_is_named() -> None:
    pipeline = CodePipeline(summary())
    assert start_execution(deployment(pipeline, codecommit=_codecommit(COMMIT)), COMMIT).goes_on
    revision = {"actionName": "Code", "revisionType": "COMMIT_ID", "revisionValue": COMMIT}
    assert pipeline.asked == [("start", {"name": PIPELINE, "sourceRevisions": [revision]})]


def test_a_commit_behind_a_connection_is_for_the_source_action_to_find() -> None:
    pipeline = CodePipeline(summary())
    outputs = {"PipelineName": PIPELINE, "RepositoryName": "owner/name"}
    outside = deployment(pipeline, stack_outputs=lambda stack: outputs, codecommit=None)
    start_execution(outside, COMMIT)
    assert pipeline.asked[0][1]["sourceRevisions"][0]["revisionValue"] == COMMIT


@pytest.mark.parametrize(
    ("commit", "error", "words"),
    [
        (COMMIT[:7], RequestError, "expected all 40 hexadecimal digits"),
        ("HEAD", RequestError, "--commit is 'HEAD'"),
        ("a" * 40, MissingError, "repository ModelCode has no commit a{40}.*pipelines start`"),
    ],
)
def test_what_is_no_commit_of_the_repository_starts_nothing(
    commit: str, error: type[Exception], words: str
) -> None:
    pipeline = CodePipeline(summary())
    with pytest.raises(error, match=words):
        start_execution(deployment(pipeline, codecommit=_codecommit(COMMIT)), commit)
    assert pipeline.asked == []


def test_a_start_that_is_not_listed_at_once_is_waited_for() -> None:
    pipeline, lists = CodePipeline(), iter([[], [summary(SECOND, "InProgress")]])

    def read(**request: Any) -> Any:
        return [{"pipelineExecutionSummaries": next(lists)}]

    pipeline._list_pipeline_executions = read  # type: ignore[method-assign]
    assert start_execution(deployment(pipeline)).id == SECOND


@pytest.mark.parametrize(
    ("stage", "every", "mode"), [("", False, "FAILED_ACTIONS"), ("Build", True, "ALL_ACTIONS")]
)
def test_the_stage_that_failed_is_retried(stage: str, every: bool, mode: str) -> None:
    pipeline = CodePipeline(summary(status="Failed"), actions=[action("Test", 1), FAILED])
    assert retry_stage(deployment(pipeline), execution("Failed"), stage, every) == "Build"
    asked = {"stageName": "Build", "pipelineExecutionId": FIRST, "retryMode": mode}
    assert pipeline.asked == [("retry", {"pipelineName": PIPELINE, **asked})]


@pytest.mark.parametrize(
    ("status", "words"), [("InProgress", "goes on"), ("Succeeded", "ended Succeeded")]
)
def test_an_execution_without_a_failed_stage_is_not_retried(status: str, words: str) -> None:
    pipeline = CodePipeline(summary(status=status), actions=[action("Test", 1)])
    with pytest.raises(RequestError, match=f"{words} and has no failed stage .*--commit {COMMIT}`"):
        retry_stage(deployment(pipeline), execution(status), "", False)
    assert pipeline.asked == []


def test_stopping_returns_what_came_of_it() -> None:
    pipeline = CodePipeline(summary(status="InProgress"))
    ended = stop_execution(deployment(pipeline), execution("InProgress"), True, "why")
    assert ended.status == "Stopped"
    ((_, asked),) = pipeline.asked
    assert (asked["abandon"], asked["reason"]) == (True, "why")


def _two_builds(pipeline: CodePipeline) -> Any:
    return deployment(pipeline, build("IN_PROGRESS"), build("IN_PROGRESS", id=OTHER_BUILD))


def test_abandoning_stops_the_builds_that_the_execution_began() -> None:
    target = _two_builds(CodePipeline(summary(status="InProgress"), actions=[LEFT_ALONE]))
    stop_execution(target, execution("InProgress"), True, "why")
    assert target.target.codebuild.stopped == [BUILD_ID]


def test_without_abandoning_its_builds_come_to_their_own_end() -> None:
    target = _two_builds(CodePipeline(summary(status="InProgress"), actions=[LEFT_ALONE]))
    stop_execution(target, execution("InProgress"), False, "why")
    assert target.target.codebuild.stopped == []


def test_abandoning_waits_for_the_id_of_a_build_that_is_being_started() -> None:
    pipeline = CodePipeline(summary(status="InProgress"))
    seen = iter([[action("Build", 5, "Abandoned")], [LEFT_ALONE]])
    pipeline._list_action_executions = lambda **request: [  # type: ignore[method-assign]
        {"actionExecutionDetails": next(seen)}
    ]
    target = _two_builds(pipeline)
    stop_execution(target, execution("InProgress"), True, "why")
    assert target.target.codebuild.stopped == [BUILD_ID]


def test_a_build_that_does_not_stop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "_STOP_SECONDS", 0.01)
    target = _two_builds(CodePipeline(summary(status="InProgress"), actions=[LEFT_ALONE]))
    target.target.codebuild.stop_build = lambda id: None
    with pytest.raises(RequestError, match=f"is abandoned, but {BUILD_ID} goes on still"):
        stop_execution(target, execution("InProgress"), True, "why")


def test_destroying_stops_the_builds_of_an_execution_with_it() -> None:
    target = _two_builds(CodePipeline(summary(status="InProgress"), actions=[LEFT_ALONE]))
    remove(target.target, Leftover("pipeline execution", f"{PIPELINE}/{FIRST}"))
    assert target.target.codebuild.stopped == [BUILD_ID]


def test_what_has_ended_is_not_stopped() -> None:
    with pytest.raises(RequestError, match="ended Failed already; nothing is left to stop"):
        stop_execution(deployment(CodePipeline()), execution("Failed"), False, "")


def test_what_does_not_end_comes_with_how_not_to_wait() -> None:
    target = deployment(CodePipeline(summary(status="Stopping")))
    with pytest.raises(RequestError, match=r"goes on still after 0 s.*stop 1a2b3c4d --abandon`"):
        wait_until_ended(target, execution("Stopping"), 0.01)


def _state(*stages: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "pipelineName": PIPELINE,
        "stageStates": [
            {
                "stageName": stage,
                "latestExecution": {"pipelineExecutionId": held, "status": "InProgress"},
                "actionStates": [
                    {"actionName": "Agree", "latestExecution": {"status": status, "token": "t"}},
                    {"actionName": "Other", "latestExecution": {"status": "InProgress"}},
                ],
            }
            for stage, held, status in stages
        ],
    }


def test_the_approval_that_is_waited_for_is_answered() -> None:
    state = _state(("Test", SECOND, "Succeeded"), ("Train", FIRST, "InProgress"))
    pipeline = CodePipeline(state=state)
    target = deployment(pipeline)
    approval = find_approval(target, None)
    answer_approval(target, approval, "Rejected", "too dear")
    asked = {"stageName": "Train", "actionName": "Agree", "token": "t"}
    result = {"summary": "too dear", "status": "Rejected"}
    assert pipeline.asked == [("answer", {"pipelineName": PIPELINE, **asked, "result": result})]


def test_an_execution_that_waits_for_nothing_is_told() -> None:
    target = deployment(CodePipeline(state=_state(("Train", SECOND, "InProgress"))))
    with pytest.raises(MissingError, match="execution 1a2b3c4d of pipeline .* waits for an appr"):
        find_approval(target, execution("InProgress"))
    assert find_approval(target, execution("InProgress", SECOND)).stage == "Train"


def test_of_two_approvals_the_execution_must_be_named() -> None:
    state = _state(("Test", SECOND, "InProgress"), ("Train", FIRST, "InProgress"))
    with pytest.raises(MissingError, match="2 approvals are waited for: Test/Agree, Train/Agree"):
        find_approval(deployment(CodePipeline(state=state)), None)


def test_what_goes_on_is_stopped_before_the_stacks_go() -> None:
    pipeline = CodePipeline(summary(SECOND, "InProgress"), summary(FIRST))
    target = deployment(pipeline, build("IN_PROGRESS"))
    left = list(of_model_code(target))
    assert left == [
        Leftover("pipeline execution", f"{PIPELINE}/{SECOND}"),
        Leftover("build", BUILD_ID),
    ]
    assert {each.action for each in left} == {"stop"}
    for each in left:
        remove(target.target, each)
    assert pipeline.asked[0][1]["abandon"] is True
    assert list(of_model_code(target)) == []
