"""The steps of the whole story in any account: deploy, build, train, look, predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.documents import ModelTest, read_model_test, sibling
from mlops.errors import ResponseError
from mlops.follow import follow, log_of_failure, require_success
from mlops.images import images_in_use
from mlops.pipeline_failures import find_failure
from mlops.pipeline_failures import require_success as require_pipeline_success
from mlops.pipeline_follow import follow as follow_pipeline
from mlops.pipelines import wait_for_execution
from mlops.predictions import predict
from mlops.runs import MANIFEST_NAME, gate_limits, wait_for_run
from mlops.target import Deployment
from mlops.versions import list_versions, versions_table

if TYPE_CHECKING:
    from data import DatasetVersion
    from mlops.history import History
    from mlops.pipeline_history import PipelineExecution, PipelineHistory
    from mlops.project import Project
    from mlops.render import Output
    from mlops.runs import Run
    from mlops.stage import Stage
    from mlops.target import Target
    from mlops.versions import ModelVersion

SHOWN_PREDICTIONS = 5


@dataclass(frozen=True)
class Results:
    """What the runs brought about, as the page and the summary tell it."""

    versions: list[ModelVersion]
    limit: float | None
    model_test: ModelTest
    predictions: list[tuple[str, float, float]]


@dataclass(frozen=True)
class Steps:
    """What is done to an environment of a project, step by step, each timed and told."""

    project: Project
    env: str
    output: Output
    stage: Stage

    def bootstrap(self, target: Target) -> None:
        """Create the CDK's own stack, or bring it up to date."""
        with self.stage.step("bootstrap"):
            self.stage.run_cdk(self.stage.cdk.bootstrap(target.account_id, target.region))
        self.stage.say("bootstrap", f"aws://{target.account_id}/{target.region}")

    def deploy(self, target: Target) -> Deployment:
        """Deploy the stacks that were synthesized."""
        stage = self.stage
        with stage.step("deploy"):
            stage.run_cdk(stage.cdk.deploy())
        deployment = Deployment(self.project, self.env, target)
        stage.say("deploy", f"state machine {deployment.state_machine_arn.rpartition(':')[2]}")
        return deployment

    def first_image(self, deployment: Deployment) -> PipelineHistory:
        """Follow the execution that the pipeline begins with, which makes the first image."""
        execution = wait_for_execution(deployment)
        return self.follow_commit(deployment, execution, "image")

    def follow_commit(
        self, deployment: Deployment, execution: PipelineExecution, phase: str
    ) -> PipelineHistory:
        """Follow an execution of the pipeline, which has to succeed, and time it."""
        began = self.stage.wall_seconds
        history = follow_pipeline(deployment, execution, self.stage.console)
        failure = find_failure(deployment, history)
        for line in failure.log if failure else ():
            self.output.note(f"  | {line}")
        require_pipeline_success(deployment, history, failure)
        self.stage.seconds[phase] = self.stage.wall_seconds - began
        images = images_in_use(deployment)
        if images:
            self.output.note(f"images in use: commit {images.commit[:7]}, {images.digest}")
        return history

    def run(self, deployment: Deployment, version: DatasetVersion) -> tuple[Run, History]:
        """Upload one data set version, and follow the run that it starts."""
        run = self.start(deployment, version)
        return run, self.follow(deployment, run, version.name)

    def start(self, deployment: Deployment, version: DatasetVersion) -> Run:
        """Upload one data set version with the AWS CLI, and return the run that it starts."""
        return wait_for_run(deployment, version.name, self.upload(deployment, version))

    def follow(self, deployment: Deployment, run: Run, phase: str) -> History:
        """Follow a run, which has to succeed, and keep its seconds."""
        history = follow(deployment.target, run, self.stage.console)
        for line in log_of_failure(deployment.target, history):
            self.output.note(f"  | {line}")
        require_success(deployment.env, run, history)
        self.stage.seconds[phase] = history.seconds()
        return history

    def upload(self, deployment: Deployment, version: DatasetVersion) -> str:
        """Copy the files, then the manifest; return the S3 version id of the manifest."""
        destination = f"s3://{deployment.bucket}/{version.name}"
        folder = version.folder.relative_to(self.project.root)
        files = ("--recursive", "--exclude", MANIFEST_NAME)
        self.stage.run_aws("s3", "cp", str(folder), destination, *files)
        manifest = str(folder / MANIFEST_NAME)
        self.stage.run_aws("s3", "cp", manifest, f"{destination}/{MANIFEST_NAME}")
        uploaded = deployment.target.s3.head_object(
            Bucket=deployment.bucket, Key=f"{version.name}/{MANIFEST_NAME}"
        )
        return uploaded["VersionId"]

    def look(self, deployment: Deployment) -> Results:
        """Read what the runs wrote, and ask the endpoint about a few validation rows."""
        versions = list_versions(deployment)
        evaluation = versions[-1].evaluation if versions else None
        if evaluation is None:
            group = deployment.model_package_group
            raise ResponseError(f"{group} has no version with an evaluation after the runs.")
        test = read_model_test(deployment, sibling(versions[-1].evaluation_uri, "model_test.json"))
        rows, labels = test.rows[:SHOWN_PREDICTIONS], test.labels[:SHOWN_PREDICTIONS]
        predicted = predict(deployment, deployment.endpoint_name, rows, test.content_type)
        limits = gate_limits(deployment).get(evaluation.metric, {})
        return Results(
            versions=versions,
            limit=next(iter(limits.values()), None),
            model_test=test,
            predictions=list(zip(rows, predicted, labels, strict=True)),
        )

    def show(self, results: Results) -> None:
        """Print the versions, and predictions beside the true labels."""
        evaluation = results.versions[-1].evaluation
        label = evaluation.label if evaluation else "label"
        self.output.rows(*versions_table(results.versions), empty="no versions")
        rows = [(row, f"{guess:.1f}", f"{true:g}") for row, guess, true in results.predictions]
        self.output.rows(("row", "prediction", f"true {label}"), rows, empty="no predictions")
