"""The demonstration's story: the gate stops a poor model, and a commit brings a better one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops.errors import ResponseError
from mlops.images import images_in_use
from mlops.pipeline_control import stop_execution
from mlops.pipeline_failures import RUN
from mlops.pipeline_history import short_commit
from mlops.pipelines import wait_for_commit, wait_for_execution
from mlops.render import number
from mlops.runs import describe_run, execution_history, list_runs
from mlops.versions import list_versions
from mlops.workspace import FORMER, IMPROVED, Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data import DatasetVersion
    from mlops.history import History
    from mlops.pipeline_history import PipelineHistory
    from mlops.runs import Run
    from mlops.steps import Steps
    from mlops.target import Deployment

FIRST_MESSAGE = "Start from model_random, which learns nothing"
SECOND_MESSAGE = "Switch to model.py"
_REASON = "the demonstration starts from an older model"


@dataclass
class Told:
    """What happened: the commits' ways through the pipeline, and a run for each version."""

    commits: list[PipelineHistory] = field(default_factory=list)
    runs: list[tuple[Run, History]] = field(default_factory=list)


@dataclass(frozen=True)
class Storyline:
    """Four versions: two data sets with a poor model, then the better model, then newer data."""

    steps: Steps
    deployment: Deployment
    workspace: Workspace

    def tell(self, data: Sequence[DatasetVersion]) -> Told:
        """Go through the story with three versions of the data set, the oldest first."""
        stage, told = self.steps.stage, Told()
        oldest, retrained, newest = data
        self.stop_first_execution()
        uploaded = stage.behind(oldest.name, lambda: self.steps.upload(self.deployment, oldest))
        self.clone()
        commit = self.push(FORMER, FIRST_MESSAGE)
        stage.wait(oldest.name, uploaded)
        self.say_that_it_waits(oldest)
        self.follow(told, commit)
        # tests and build of the next commit go on while the image of the last one trains
        run = self.steps.start(self.deployment, retrained)
        commit = self.push(IMPROVED, SECOND_MESSAGE)
        told.runs.append((run, self.steps.follow(self.deployment, run, retrained.name)))
        self.say_what_was_registered()
        self.follow(told, commit)
        told.runs.append(self.steps.run(self.deployment, newest))
        self.say_what_was_registered()
        return told

    def clone(self) -> None:
        """Clone the repository that the deployment has filled with the model code."""
        stage, url = self.steps.stage, self.deployment.clone_url
        if url is None:
            raise ResponseError(
                "the deployment has no CodeCommit repository; expected one to commit to. Set "
                '[model_code] source = "codecommit" in mlops.toml.'
            )
        with stage.step("clone"):
            self.workspace.clone(url)

    def stop_first_execution(self) -> None:
        """Stop what the pipeline begins with: it would build the model that comes last."""
        stage = self.steps.stage
        with stage.step("pipeline"):
            first = wait_for_execution(self.deployment)
            if first.goes_on:
                first = stop_execution(self.deployment, first, abandon=True, reason=_REASON)
        ended = f"its own first execution {first.short_id} ended {first.status}"
        stage.say("pipeline", f"{ended}: {_REASON}")

    def say_that_it_waits(self, version: DatasetVersion) -> None:
        """Say that nothing trains a data set for which there is no image yet.

        Raises
        ------
        ResponseError
            If there is one, or a run.
        """
        deployment = self.deployment
        if images_in_use(deployment) or list_runs(deployment, 1):
            raise ResponseError(
                f"{version.name} was expected to wait, for no image is built; and "
                f"{deployment.image_parameter} names one, or a run has begun."
            )
        self.steps.stage.say(version.name, "waits: no run is started before there is an image")

    def push(self, model: str, message: str) -> str:
        """Commit which model is trained."""
        stage = self.steps.stage
        commit = self.workspace.choose(model, message)
        stage.console.print(f"pushed commit {commit[:7]}: {message}", markup=False)
        return commit

    def follow(self, told: Told, commit: str) -> None:
        """Follow a commit through the pipeline to the run that it starts."""
        execution = wait_for_commit(self.deployment, commit)
        history = self.steps.follow_commit(self.deployment, execution, f"commit {commit[:7]}")
        told.commits.append(history)
        told.runs.append(self._run_of(history))
        self.say_what_was_registered()

    def say_what_was_registered(self) -> None:
        """Say what the gate has made of the version that was registered last."""
        newest = list_versions(self.deployment, 1)[-1]
        metric = newest.metric_name
        self.steps.output.note(
            f"version {newest.number}, {newest.dataset} by commit {short_commit(newest.commit)}: "
            f"{metric} {number(newest.metric(metric))}, baseline {number(newest.baseline(metric))},"
            f" gate {newest.gate}"
        )

    def _run_of(self, history: PipelineHistory) -> tuple[Run, History]:
        target = self.deployment.target
        for action in history.actions:
            if action.provider == RUN:
                arn = action.external_id
                return describe_run(target, arn), execution_history(target, arn)
        raise ResponseError(
            f"execution {history.execution.short_id} has started no run; expected one in Train."
        )
