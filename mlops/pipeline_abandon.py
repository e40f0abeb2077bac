"""Abandoning an execution of the code pipeline: it ends at once, and so do its builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.builds import stop_builds
from mlops.pipeline_failures import BUILD
from mlops.pipeline_history import GOES_ON
from mlops.pipelines import list_actions
from mlops.polling import looks

if TYPE_CHECKING:
    from mlops.pipeline_history import ActionExecution
    from mlops.target import Target

_END_SECONDS = 120.0
_ID_SECONDS = 5.0


def abandon(target: Target, pipeline: str, execution_id: str, reason: str) -> list[str]:
    """Stop an execution without waiting for its actions, then the builds that they began.

    CodePipeline leaves those alone, and one that goes on would put its images in use after
    those of a newer commit.

    Returns
    -------
    list[str]
        The builds that go on still, although they were told to stop; most often none.
    """
    target.codepipeline.stop_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id, abandon=True, reason=reason
    )
    _wait_until_ended(target, pipeline, execution_id)
    return stop_builds(target, _builds(target, pipeline, execution_id))


def _wait_until_ended(target: Target, pipeline: str, execution_id: str) -> None:
    """Wait until no action can begin; what takes too long is seen by who looks again."""
    for _ in looks(_END_SECONDS, every=target.poll_seconds):
        found = target.codepipeline.get_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution_id
        )
        if found["pipelineExecution"]["status"] not in GOES_ON:
            return


def _builds(target: Target, pipeline: str, execution_id: str) -> list[str]:
    """Return the builds of an execution, also one that was just being started."""
    builds: list[ActionExecution] = []
    for _ in looks(_ID_SECONDS, every=target.poll_seconds):
        actions = list_actions(target, pipeline, execution_id)
        builds = [each for each in actions if each.provider == BUILD]
        if not any(map(_is_starting, builds)):
            break
    return [each.external_id for each in builds if each.external_id]


def _is_starting(action: ActionExecution) -> bool:
    return action.status == "Abandoned" and not action.external_id
