"""The demonstration's story begins with a pipeline in which nothing goes on."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

from mlops.storyline import Storyline
from tests.unit.mlops.pipeline_factories import BUILD_ID, CodePipeline, action, build, deployment
from tests.unit.mlops.pipeline_factories import summary as execution


def test_what_the_pipeline_begins_with_is_stopped_with_its_build() -> None:
    said: list[str] = []
    stage = SimpleNamespace(step=nullcontext, say=lambda name, words: said.append(words))
    running = action("Build", 5, "Abandoned", externalExecutionId=BUILD_ID)
    pipeline = CodePipeline(execution(status="InProgress"), actions=[running])
    known: Any = deployment(pipeline, build("IN_PROGRESS"))
    Storyline(
        cast("Any", SimpleNamespace(stage=stage)), known, cast("Any", None)
    ).stop_first_execution()
    assert [asked["abandon"] for _, asked in pipeline.asked] == [True]
    assert known.target.codebuild.stopped == [BUILD_ID]
    assert said[0].startswith("its own first execution 1a2b3c4d ended Stopped")
