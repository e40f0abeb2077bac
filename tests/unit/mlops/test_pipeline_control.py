"""Executions are retried, stopped, approved and rejected, or the reason why not is told."""

from typing import Any

import pytest

from mlops.errors import MissingError, RequestError
from mlops.pipeline_control import (
    answer_approval,
    find_approval,
    retry_stage,
    stop_execution,
    wait_until_ended,
)
from mlops.teardown_pipeline import of_model_code
from mlops.teardown_steps import Leftover, remove
from tests.unit.mlops.pipeline_factories import (
    BUILD_ID,
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
    with pytest.raises(RequestError, match=f"{words} and has no failed stage .*git push"):
        retry_stage(deployment(pipeline), execution(status), "", False)
    assert pipeline.asked == []


def test_stopping_returns_what_came_of_it() -> None:
    pipeline = CodePipeline(summary(status="InProgress"))
    ended = stop_execution(deployment(pipeline), execution("InProgress"), True, "why")
    assert ended.status == "Stopped"
    ((_, asked),) = pipeline.asked
    assert (asked["abandon"], asked["reason"]) == (True, "why")


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
