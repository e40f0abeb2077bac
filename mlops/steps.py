"""The steps of the whole story in any account: deploy, push, train, look, predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.documents import ModelTest, read_model_test, sibling
from mlops.errors import ResponseError
from mlops.follow import follow, log_of_failure, require_success
from mlops.images import push_images
from mlops.predictions import predict
from mlops.runs import MANIFEST_NAME, gate_limits, wait_for_run
from mlops.target import Deployment
from mlops.versions import list_versions, versions_table

if TYPE_CHECKING:
    from data import DatasetVersion
    from mlops.history import History
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

    def push(self, deployment: Deployment, base_image: str = "") -> None:
        """Bring the images into the repository."""
        remarks: list[str] = []
        with self.stage.step("image"):
            push_images(deployment, remarks.append, base_image)
        self.stage.say("image", remarks[0])

    def run(self, deployment: Deployment, version: DatasetVersion) -> tuple[Run, History]:
        """Upload one data set version with the AWS CLI, and follow the run that it starts."""
        began = self.stage.wall_seconds
        version_id = self.upload(deployment, version)
        run = wait_for_run(deployment, version.name, version_id)
        history = follow(deployment.target, run, self.stage.console)
        for line in log_of_failure(deployment.target, history):
            self.output.note(f"  | {line}")
        require_success(deployment.env, run, history)
        self.stage.seconds[version.name] = self.stage.wall_seconds - began
        return run, history

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
