"""The whole story once on a real account: estimated first, stopped at a limit, taken away after.

It has never run on AWS; the tests take the embedded account for one.
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops import datasets
from mlops.cdk import bootstrapped, cdk_of
from mlops.doctor import FAIL
from mlops.errors import BudgetError, RequestError, ResponseError, explain
from mlops.metering import Meter, Rate
from mlops.name_collisions import check_names
from mlops.processes import Processes
from mlops.project import PARTS, command
from mlops.smoke_teardown import tear_down
from mlops.stage import Stage, ignore_signals
from mlops.steps import Steps
from mlops.target import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from data import DatasetVersion
    from mlops.cdk import Cdk
    from mlops.prices import CostLine
    from mlops.project import Project
    from mlops.render import Output
    from mlops.target import Target

ENV = "smoke"
RUNS = 2
_LOOK_SECONDS = 1.0
_HOURS = {"run": 20 / 60, "endpoint": 60 / 60, "builds": 20 / 60, "all": 95 / 60}
"""Assumed: a run's three jobs and its staging, the endpoint's life, the builds, and everything."""


@dataclass(frozen=True)
class Plan:
    """What goes on at what time, by the project's settings of the smoke environment."""

    builds: tuple[Rate, ...]
    jobs: tuple[Rate, ...]
    endpoint: Rate
    standing: tuple[Rate, ...]

    def estimate(self) -> list[CostLine]:
        """Itemise what the story will cost if it takes as long as is assumed."""
        builds = [rate.line(_HOURS["builds"]) for rate in self.builds]
        jobs = [rate.line(RUNS * _HOURS["run"]) for rate in self.jobs]
        standing = [rate.line(_HOURS["all"]) for rate in self.standing]
        return [*builds, *jobs, self.endpoint.line(_HOURS["endpoint"]), *standing]


def plan_of(project: Project) -> Plan:
    """Read what will cost from the settings; jobs follow each other, so the dearest one counts."""

    def setting(*path: str) -> str:
        return str(project.setting(ENV, *path))

    jobs = {
        setting("training", "instance_type"),
        setting("training", "processing", "instance_type"),
    }
    gigabytes = max(
        float(setting("training", "volume_size_gb")),
        float(setting("training", "processing", "volume_size_gb")),
    )
    serving = setting("endpoint", "instance_type")
    endpoint = Rate(
        f"staging endpoint on {serving}",
        serving,
        2 * float(setting("endpoint", "instance_count")),  # an update keeps the old until the new
    )
    compute_type = setting("model_code", "compute_type")
    return Plan(
        # one action at a time: the tests, then the images
        builds=(
            Rate(f"builds on {compute_type}", compute_type),
            Rate("pipeline actions", "pipeline-action"),
        ),
        jobs=(
            *(Rate(f"jobs on {each}", each) for each in sorted(jobs)),
            Rate("volumes", "job-volume", gigabytes),
        ),
        endpoint=endpoint,
        standing=(
            Rate("KMS key", "kms-key"),
            Rate("alarms", "alarm", 5),
            Rate("dashboard", "dashboard"),
            Rate("requests, logs, Lambdas", "smoke-requests"),
        ),
    )


@dataclass(frozen=True)
class Smoke:
    """One smoke test of a project in an account."""

    project: Project
    target: Target
    output: Output
    stage: Stage
    plan: Plan
    meter: Meter

    def go(self) -> None:
        """Deploy, build, train twice and predict."""
        steps = Steps(self.project, ENV, self.output, self.stage)
        stage = self.stage
        built = stage.behind("data", lambda: datasets.build(self.project.root / "build" / "data"))
        self.meter.begin(*self.plan.standing)
        steps.bootstrap(self.target)
        self.meter.begin(*self.plan.builds)
        deployment = steps.deploy(self.target)
        steps.first_image(deployment)
        self.meter.end(*self.plan.builds)
        versions = stage.wait("data", built)
        stage.say("data", versions[0].note)
        for version in (versions[0], versions[-1]):
            self.train(steps, deployment, version)
        with stage.step("results"):
            results = steps.look(deployment)
        steps.show(results)
        if len(results.versions) != RUNS:
            raise ResponseError(f"{len(results.versions)} versions are registered, not {RUNS}.")

    def train(self, steps: Steps, deployment: Deployment, version: DatasetVersion) -> None:
        """Let an upload start a run; its jobs cost while it goes on, its endpoint stays."""
        self.meter.begin(*self.plan.jobs, self.plan.endpoint)
        steps.run(deployment, version)
        self.meter.end(*self.plan.jobs)


def require_free_names(deployment: Deployment, cdk: Cdk) -> None:
    """Refuse an account that has another environment of the project; synthesizes the stacks.

    Raises
    ------
    RequestError
        If a name that the stacks take is taken, for then something of others would be used.
    """
    for part in PARTS:
        if deployment.deployed(part):
            raise RequestError(
                f"{deployment.stack(part)} is in {deployment.target}; expected nothing of an "
                f"earlier smoke test. Take it away: `{command(ENV, 'destroy')}`."
            )
    with Processes() as processes:
        cdk.run(processes, cdk.synth())
    for finding in check_names(deployment, cdk):
        if finding.status == FAIL:
            raise RequestError(f"{finding.check} {finding.found}: {finding.remedy}.")


def run_smoke(project: Project, target: Target, output: Output, max_usd: float) -> None:
    """Tell the story; whatever happens, take away what it made and say what is left.

    Raises
    ------
    MlopsError
        If a step failed, the limit was reached, or something is left.
    """
    deployment, cdk = Deployment(project, ENV, target), cdk_of(project, ENV)
    require_free_names(deployment, cdk)
    was_bootstrapped = bootstrapped(deployment)
    meter, processes, pool = Meter(max_usd), Processes(), ThreadPoolExecutor(max_workers=1)
    stage = Stage(cdk, output.console, processes, pool)
    smoke = Smoke(project, target, output, stage, plan_of(project), meter)
    try:
        with pool, processes, _watched(meter):
            smoke.go()
    except (Exception, KeyboardInterrupt) as error:
        output.note(f"stopped: {explain(error) if str(error) else 'interrupted'}")
        raise
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        ignore_signals()
        tear_down(project, ENV, target, output)
        output.note(f"about {meter.usd:.2f} USD, estimated from list prices and the time it took")
        if not was_bootstrapped:
            output.note(f"kept: stack {cdk.toolkit_stack}, for the next deployment")


@contextmanager
def _watched(meter: Meter) -> Iterator[None]:
    """Look at the meter again and again; past its limit, whatever is waited for is given up.

    Once only: what is given up is then cleaned, and that must not be given up as well.
    """

    def look(signum: int, frame: FrameType | None) -> None:
        try:
            meter.check()
        except BudgetError:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            raise

    former = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
