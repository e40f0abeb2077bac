"""What it has cost to bring a commit to its run, at list prices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlops.builds import read_build
from mlops.pipeline_failures import BUILD
from mlops.pipelines import list_executions, read_actions
from mlops.prices import CostLine, cost_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlops.pipeline_history import ActionExecution
    from mlops.runs import Run
    from mlops.stack_resources import StackResource
    from mlops.target import Deployment, Target

BY_CODE = "code"
"""The trigger of a run that the pipeline has started."""
_SEARCHED = 50
_WHILE_IT_WORKS = "nothing while idle; a run's is in --run"


def cost_of_pipeline(deployment: Deployment, run: Run) -> list[CostLine]:
    """Itemise the execution of the pipeline that has started a run, none where none has."""
    if run.trigger != BY_CODE:
        return []
    for execution in list_executions(deployment, _SEARCHED):
        actions = read_actions(deployment, execution.id)
        if any(each.external_id == run.execution_arn for each in actions):
            return [*_builds(deployment.target, actions), _minutes(actions)]
    return []


def _builds(target: Target, actions: Iterable[ActionExecution]) -> Iterator[CostLine]:
    for action in actions:
        if action.provider == BUILD and action.external_id:
            build = read_build(target, action.external_id)
            if build:
                remark = f"{build.compute_type}, {build.seconds:.0f} s: minutes that have begun"
                minutes = math.ceil(build.seconds / 60)
                yield cost_line(f"{action.title} build", build.compute_type, minutes, remark)


def _minutes(actions: Sequence[ActionExecution]) -> CostLine:
    billed = [each for each in actions if each.provider != "Manual"]
    minutes = sum(math.ceil(each.seconds(each.updated) / 60) for each in billed)
    remark = f"{len(billed)} actions: minutes that have begun, waiting for the run included"
    return cost_line("pipeline actions", "pipeline-action", minutes, remark)


def cost_while_idle(resources: Sequence[StackResource]) -> Iterator[CostLine]:
    """List the pipeline and its builds, which cost while they work alone."""
    kinds = {each.type for each in resources}
    if "AWS::CodePipeline::Pipeline" in kinds:
        yield cost_line("pipeline actions", "pipeline-action", 0, _WHILE_IT_WORKS)
    types = {
        str(each.properties.get("Environment", {}).get("ComputeType"))
        for each in resources
        if each.type == "AWS::CodeBuild::Project"
    }
    for compute_type in sorted(types):
        yield cost_line(f"builds on {compute_type}", compute_type, 0, _WHILE_IT_WORKS)
