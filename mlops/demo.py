"""The whole story in an embedded account: deploy, commit, train, register, serve, predict."""

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
from mlops.node import CACHE
from mlops.processes import Processes
from mlops.project import command
from mlops.stage import Stage, ignore_signals
from mlops.steps import Results, Steps
from mlops.storyline import Storyline, Told
from mlops.summary import summarize
from mlops.target import find_target
from mlops.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from data import DatasetVersion
    from mlops.project import Project
    from mlops.render import Output
    from mlops.target import Deployment, Target


@dataclass(frozen=True)
class Demo:
    """One demonstration of a project's environment in an account of its own."""

    project: Project
    env: str
    output: Output
    keep: bool
    stage: Stage
    folder: AccountFolder

    @property
    def steps(self) -> Steps:
        """The steps that every account is taken through."""
        return Steps(self.project, self.env, self.output, self.stage)

    def tell(self) -> tuple[Results, Told]:
        """Go through the story and write its page."""
        deployment, versions = self.deploy()
        clone = Workspace(self.stage, clone_folder(self.results_folder))
        told = Storyline(self.steps, deployment, clone).tell(versions)
        with self.stage.step("results"):
            results = self.steps.look(deployment)
        self.steps.show(results)
        with self.stage.step("report"):
            self.write_page(deployment, results, told, versions[0].note)
        if self.keep:
            self.say_how_to_go_on(deployment)
        return results, told

    def deploy(self) -> tuple[Deployment, list[DatasetVersion]]:
        """Start the account and deploy into it; what needs no account is done meanwhile."""
        stage, cdk = self.stage, self.stage.cdk
        synthesized = stage.behind("synth", lambda: stage.run_cdk(cdk.synth()))
        built = stage.behind("data", lambda: datasets.build(self.project.root / "build" / "data"))
        target = self.start_account()
        self.steps.bootstrap(target)
        stage.wait("synth", synthesized)
        stage.say("synth", str(cdk.assembly.relative_to(self.project.root)))
        deployment = self.steps.deploy(target)
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

    def write_page(
        self,
        deployment: Deployment,
        results: Results,
        told: Told,
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
            runs=[history for _, history in told.runs],
            commits=told.commits,
            phases=self.stage.seconds,
            data_note=data_note,
        )
        file = self.results_folder / "index.html"
        file.write_text(render_report(story), encoding="utf-8")
        self.output.note(f"wrote {file}")

    def write_summary(self, results: Results, told: Told) -> None:
        """Write the figures."""
        seconds, wall_seconds = self.stage.seconds, self.stage.wall_seconds
        summary = summarize(results.versions, told.runs, told.commits, seconds, wall_seconds)
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
            f"commit to it: {clone_folder(self.results_folder)}, then "
            f"{command(deployment.env, 'pipelines follow')}",
            "stop it: .venv/bin/mlops account stop",
        ):
            self.output.note(line)

    @property
    def results_folder(self) -> Path:
        """Folder of the page and the summary."""
        folder = self.project.root / "build" / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def clone_folder(results: Path) -> Path:
    """Return where the demonstration commits."""
    return results / "ModelCode"


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
        results, told = demo.tell()
    demo.write_summary(results, told)


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
