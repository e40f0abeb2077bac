"""The whole story in an embedded account: deploy, train, register, serve, predict."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops import datasets
from mlops.account import AccountFolder
from mlops.cdk import cdk_of
from mlops.documents import ModelTest, read_model_test, sibling
from mlops.errors import ResponseError
from mlops.follow import follow, log_of_failure, require_success
from mlops.images import push_images
from mlops.node import CACHE
from mlops.predictions import predict
from mlops.processes import Processes
from mlops.project import command
from mlops.runs import MANIFEST_NAME, gate_limits, wait_for_run
from mlops.stage import Stage, ignore_signals
from mlops.summary import summarize
from mlops.target import Deployment, Target, find_target
from mlops.versions import list_versions, versions_table

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from data import DatasetVersion
    from mlops.history import History
    from mlops.project import Project
    from mlops.render import Output
    from mlops.runs import Run
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
class Demo:
    """One demonstration of a project's environment in an account of its own."""

    project: Project
    env: str
    output: Output
    keep: bool
    stage: Stage
    folder: AccountFolder

    def tell(self) -> tuple[Results, list[tuple[Run, History]]]:
        """Go through the story and write its page."""
        deployment, versions = self.deploy()
        runs = [self.run(deployment, version) for version in versions]
        with self.stage.step("results"):
            results = self.look(deployment)
        self.show(results)
        with self.stage.step("report"):
            self.write_page(deployment, results, runs, versions[0].note)
        if self.keep:
            self.say_how_to_go_on(deployment)
        return results, runs

    def deploy(self) -> tuple[Deployment, list[DatasetVersion]]:
        """Start the account and deploy into it; what needs no account is done meanwhile."""
        stage, cdk = self.stage, self.stage.cdk
        synthesized = stage.behind("synth", lambda: stage.run_cdk(cdk.synth()))
        built = stage.behind("data", lambda: datasets.build(self.project.root / "build" / "data"))
        target = self.start_account()
        with stage.step("bootstrap"):
            stage.run_cdk(cdk.bootstrap(target.account_id, target.region))
        stage.say("bootstrap", f"aws://{target.account_id}/{target.region}")
        stage.wait("synth", synthesized)
        stage.say("synth", str(cdk.assembly.relative_to(self.project.root)))
        with stage.step("deploy"):
            stage.run_cdk(cdk.deploy())
        deployment = Deployment(self.project, self.env, target)
        stage.say("deploy", f"state machine {deployment.state_machine_arn.rpartition(':')[2]}")
        remarks: list[str] = []
        with stage.step("image"):
            push_images(deployment, remarks.append)
        stage.say("image", remarks[0])
        versions = stage.wait("data", built)
        stage.say("data", versions[0].note)
        return deployment, versions

    def start_account(self) -> Target:
        """Start the account and make it the one that every tool of the demo talks to."""
        with self.stage.step("account"):
            account = self.folder.start()
            account.use()
            target = find_target()
        self.output.note(str(target))
        self.stage.say("account", f"process {account.pid}")
        return target

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

    def write_page(
        self,
        deployment: Deployment,
        results: Results,
        runs: list[tuple[Run, History]],
        data_note: str,
    ) -> None:
        """Write the page with the plots."""
        # matplotlib takes a second to import, and keeps its caches where it is told first
        os.environ.setdefault("MPLCONFIGDIR", str(CACHE / "matplotlib"))
        from mlops.report import Story, render_report

        story = Story(
            project=self.project.name,
            target=str(deployment.target),
            versions=results.versions,
            limit=results.limit,
            model_test=results.model_test,
            predictions=results.predictions,
            runs=[(run.dataset, history) for run, history in runs],
            phases=self.stage.seconds,
            data_note=data_note,
        )
        file = self.results_folder / "index.html"
        file.write_text(render_report(story), encoding="utf-8")
        self.output.note(f"wrote {file}")

    def write_summary(self, results: Results, runs: list[tuple[Run, History]]) -> None:
        """Write the figures."""
        seconds, wall_seconds = self.stage.seconds, self.stage.wall_seconds
        summary = summarize(results.versions, runs, seconds, wall_seconds)
        file = self.results_folder / "summary.json"
        file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        self.output.note(f"wrote {file}")

    def say_how_to_go_on(self, deployment: Deployment) -> None:
        """Say what runs, how to use it and how to stop it."""
        account = self.folder.require_running()
        for line in (
            f"running: embedded account {account.url}, process {account.pid}",
            f"running in it: endpoint {deployment.endpoint_name}",
            'use it: eval "$(.venv/bin/mlops account env)", then '
            f"{command(deployment.env, 'runs list')}",
            "stop it: .venv/bin/mlops account stop",
        ):
            self.output.note(line)

    @property
    def results_folder(self) -> Path:
        """Folder of the page and the summary."""
        folder = self.project.root / "build" / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def run_demo(project: Project, env: str, output: Output, keep: bool) -> None:
    """Tell the story in an account that is started for it, and stopped again unless `keep`."""
    folder = AccountFolder(project)
    folder.require_none()
    processes, pool = Processes(), ThreadPoolExecutor(max_workers=4)
    stage = Stage(cdk_of(project, env), output.console, processes, pool)
    with ExitStack() as cleanup:
        # ends in reverse order: child processes, the threads that wait for them, the account
        cleanup.enter_context(_Stop(folder, stage, keep))
        cleanup.enter_context(pool)
        cleanup.enter_context(processes)
        cleanup.callback(ignore_signals)
        demo = Demo(project, env, output, keep, stage, folder)
        results, runs = demo.tell()
    demo.write_summary(results, runs)


@dataclass(frozen=True)
class _Stop:
    """Stops the account when the demo ends; `keep` holds as long as nobody interrupts."""

    folder: AccountFolder
    stage: Stage
    keep: bool

    def __enter__(self) -> None:
        """Promise to stop what is about to be started."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.keep and kind is not KeyboardInterrupt:
            return
        if self.folder.locked():
            with self.stage.step("stop"):
                self.folder.stop()
            self.stage.say("stop", "the account and all in it; KEEP=1 leaves it running")
