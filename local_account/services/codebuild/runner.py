"""One build, phase by phase.

A failing INSTALL or PRE_BUILD ends the build at once; after a failing BUILD the POST_BUILD runs,
and UPLOAD_ARTIFACTS is attempted whenever BUILD was reached, unless `on-failure` says otherwise.
Source: https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
"""

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_account.pip_settings import pip_secrets
from local_account.service import ServiceError
from local_account.services.codebuild import events
from local_account.services.codebuild.artifacts import Artifacts, expanded
from local_account.services.codebuild.buildspec import Buildspec, Phase
from local_account.services.codebuild.caches import Cache
from local_account.services.codebuild.container import (
    Container,
    ContainerGone,
    Folders,
    Workload,
    write_programs,
)
from local_account.services.codebuild.environment import of_codebuild, variables
from local_account.services.codebuild.log import BuildLog
from local_account.services.codebuild.phases import Phases
from local_account.services.codebuild.plane import SERVICE, Plane
from local_account.services.codebuild.records import Build, Interrupted, PhaseFailed
from local_account.services.codebuild.sources import Sources, read_buildspec

_COMMAND_PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")
_GOES_ON = ("BUILD", "POST_BUILD")  # what follows these runs even if they fail
_FAILED_COMMAND = "COMMAND_EXECUTION_ERROR"


class Runner:
    """Runs one build to its end, whatever happens to it."""

    def __init__(self, plane: Plane, build: Build) -> None:
        self._plane, self._build = plane, build
        root = plane.account.state / "builds" / build.record["projectName"] / build.uuid
        self._folders = Folders(root, plane.isolation)
        asked, home = build.project.get("cache", {"type": "NO_CACHE"}), self._folders.home
        self._cache = Cache.of(asked, root, home, plane.account.cache)
        self._log = BuildLog(root / "build.log")
        self._source = self._folders.output / f"src{secrets.randbelow(10**9):09}"
        self._phases = Phases(plane, build, self._log)
        self._deadline = float("inf")
        self._container: Container | None = None
        self._buildspec = Buildspec()
        self._docker_socket: Path | None = None

    def run(self) -> None:
        """Run the build; afterwards it has a status, and nothing of it runs any more."""
        status = "FAULT"
        with ExitStack() as resources:
            resources.callback(self._folders.remove)
            resources.callback(self._kill)
            try:
                self._carry_out(resources)
                status = "FAILED" if self._build.failing else "SUCCEEDED"
            except Interrupted as interrupted:
                status = interrupted.status
            finally:
                self._end(status)

    def _carry_out(self, resources: ExitStack) -> None:
        with self._phases.phase("SUBMITTED"):
            events.state_changed(self._plane, self._build)
        with self._phases.phase("QUEUED"):
            self._wait_for_a_place(resources)
        self._deadline = self._after("timeoutInMinutes")
        first: tuple[tuple[str, Callable[[], None]], ...] = (
            ("PROVISIONING", lambda: self._provision(resources)),
            ("DOWNLOAD_SOURCE", self._download_source),
        )
        for name, work in first:
            if not self._succeeds(name, work):
                return
        if not all(self._run_phase(name) for name in _COMMAND_PHASES):
            return
        self._succeeds("UPLOAD_ARTIFACTS", self._upload)

    def _succeeds(self, name: str, work: Callable[[], None]) -> bool:
        """Carry out a phase of CodeBuild's own, unless the build is stopped meanwhile."""

        def unless_stopped() -> None:
            work()
            self._check()

        return self._phases.succeeds(name, unless_stopped)

    def _run_phase(self, name: str) -> bool:
        """Run a phase's commands, and tell whether the build goes on."""
        phase = self._buildspec.phases.get(name.lower(), Phase())
        if name == "POST_BUILD" and self._aborted("BUILD"):
            return True
        self._log.say(f"Entering phase {name}")
        if self._phases.succeeds(name, lambda: self._run_commands(phase)):
            return True
        alive = self._running.process.running
        return alive and (phase.on_failure == "CONTINUE" or name in _GOES_ON)

    @property
    def _running(self) -> Container:
        """Return the container, which DOWNLOAD_SOURCE has started."""
        if self._container is None:
            raise ContainerGone("the build container was never started")
        return self._container

    def _aborted(self, name: str) -> bool:
        aborts = self._buildspec.phases.get(name.lower(), Phase()).on_failure == "ABORT"
        return aborts and self._build.phases[-1]["phaseStatus"] == "FAILED"

    def _run_commands(self, phase: Phase) -> None:
        failure: PhaseFailed | None = None
        succeeding = not self._build.failing
        for commands in (phase.commands, phase.cleanup):
            for command in commands:
                self._tick()
                status = self._run_command(command, succeeding)
                if status != 0:
                    self._log.say(
                        f"Command did not exit successfully {command} exit status {status}"
                    )
                    failure = failure or _failed(command, f"exit status {status}")
                    break
        if failure is not None:
            raise failure

    def _run_command(self, command: str, succeeding: bool) -> int:
        self._log.say(f"Running command {command}")
        try:
            return self._running.run(command, succeeding, self._tick)
        except ContainerGone as gone:
            raise _failed(command, self._gone(str(gone))) from gone

    def _gone(self, reason: str) -> str:
        """Note in the log why the container is gone; without it the log may have no end."""
        self._kill()
        self._log.cut()
        self._log.say(reason)
        return reason

    def _tick(self) -> None:
        """Look after a build that is waiting: its log, its end, its time."""
        if self._plane.closing.is_set():
            self._log.close()
        else:
            self._log.ship()
        if self._log.exceeded and self._container is not None:
            self._container.process.exceeded = self._log.exceeded
            self._container.process.kill()
        self._check()

    def _check(self) -> None:
        """Go no further with a build that was stopped, or has run out of time."""
        if self._plane.closing.is_set() or self._build.stopping.is_set():
            raise Interrupted("STOPPED")
        if time.monotonic() > self._deadline:
            raise Interrupted("TIMED_OUT", "BUILD_TIMED_OUT", "Build has timed out. ")

    def _after(self, member: str) -> float:
        minutes: int = self._build.record[member]
        return time.monotonic() + minutes * self._plane.minute_seconds

    def _wait_for_a_place(self, resources: ExitStack) -> None:
        self._deadline = self._after("queuedTimeoutInMinutes")
        while not self._plane.places.acquire(timeout=0.2):
            self._tick()
        resources.callback(self._plane.places.release)
        self._tick()

    def _provision(self, resources: ExitStack) -> None:
        client = self._client("logs")
        logs, engine = self._build.record["logs"], self._plane.image_builds
        if "groupName" in logs:
            try:
                self._log.open(client, logs["groupName"], logs["streamName"])
            except ClientError as error:
                raise PhaseFailed("ACCESS_DENIED", self._no_log(error)) from error
        self._folders.make(self._cache)
        write_programs(self._folders.readonly / "bin", engine.client if engine else None)
        if engine is not None and self._build.record["environment"]["privilegedMode"]:
            self._docker_socket = resources.enter_context(engine.serve())
        self._log.say("Running on CodeBuild On-demand")

    def _no_log(self, error: ClientError) -> str:
        record, denied = self._build.record, error.response["Error"]["Message"]
        return (
            f"Service role {record['serviceRole']} does not allow AWS CodeBuild to create Amazon "
            f"CloudWatch Logs log streams for build {record['arn']}. Error message: {denied}"
        )

    def _download_source(self) -> None:
        self._log.say("Phase is DOWNLOAD_SOURCE")
        build, folders = self._build, self._folders
        s3 = self._client("s3")
        sources = Sources(self._plane, build, s3, folders.scratch, self._check).bring(self._source)
        inside = {name: folders.inside(path) for name, path in sources.items()}
        for name, path in inside.items():
            self._log.say(f"CODEBUILD_SRC_DIR{'_' * bool(name)}{name}={path}")
        self._source = sources[""]
        self._buildspec = read_buildspec(build, folders, self._source, self._log)
        self._log.say("Processing environment variables")
        values, secret = variables(build, self._buildspec, self._client("ssm"))
        credentials = self._credentials()
        self._log.secrets = [*secret, *astuple(credentials), *pip_secrets()]
        account, engine = self._plane.account, self._plane.image_builds
        own = of_codebuild(build, inside)
        self._note_what_has_no_effect()
        self._log.say(f"Moving to directory {inside['']}")
        workload = Workload(
            self._buildspec.shell,
            inside[""],
            {**account.environment(credentials), **values, **own},
            self._cache,
            engine.client if engine else None,
            self._docker_socket,
        )
        self._container = Container(folders, self._log.path, workload)

    def _note_what_has_no_effect(self) -> None:
        if self._buildspec.runtimes:
            unsupported = "Runtime version selection is not supported by this build image"
            self._log.say(f"Skipping install of runtimes. {unsupported}")
        for report in self._buildspec.reports:
            self._log.say(f"Skipping the report {report}: the embedded account keeps no reports")

    def _upload(self) -> None:
        build, buildspec, container = self._build, self._buildspec, self._running
        try:
            told = {
                name: container.expand(f"${name}", self._tick)
                for name in buildspec.exported
                if not name.startswith("AWS_")
            }
            buildspec = expanded(buildspec, lambda text: container.expand(text, self._tick))
        except ContainerGone as gone:
            raise PhaseFailed("CLIENT_ERROR", self._gone(str(gone))) from gone
        exported = [{"name": name, "value": value} for name, value in told.items()]
        build.record["exportedEnvironmentVariables"] = exported
        self._kill()  # nobody changes a file that is being uploaded
        s3 = self._client("s3")
        Artifacts(build, s3, self._log, self._folders, self._source, self._check).upload(buildspec)

    def _end(self, status: str) -> None:
        record = self._build.record
        with self._plane.lock:
            record["buildStatus"] = status
        try:
            self._kill()
            with self._phases.phase("FINALIZING"):
                self._log.ship(rest=True)
        finally:
            with self._plane.lock:
                self._build.enter("COMPLETED")
                record["endTime"], record["buildComplete"] = time.time(), True
            events.state_changed(self._plane, self._build)

    def _kill(self) -> None:
        if self._container is not None:
            self._container.kill()

    def _credentials(self) -> Any:
        role, project = self._build.record["serviceRole"], self._build.project["arn"]
        identities = self._plane.account.identities
        return identities.of_role(role, SERVICE, f"AWSCodeBuild-{self._build.uuid}", project)

    def _client(self, service: str) -> Any:
        try:
            return self._plane.account.client(service, credentials=self._credentials())
        except ServiceError as error:
            raise PhaseFailed("ACCESS_DENIED", error.message) from error


def _failed(command: str, reason: str) -> PhaseFailed:
    words = f"Error while executing command: {command}. Reason: {reason}"
    return PhaseFailed(_FAILED_COMMAND, words)
