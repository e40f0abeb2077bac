"""Builds: started, listed, stopped and tried again."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from local_account.service import ServiceError
from local_account.services.codebuild.plane import (
    EndedBuild,
    PipelineBuild,
    Plane,
    Record,
    invalid,
    listing,
    missing,
    refuse,
)
from local_account.services.codebuild.projects import Projects
from local_account.services.codebuild.records import Build, new_build
from local_account.services.codebuild.runner import Runner

_CLOSING_SECONDS = 10.0  # a build ends in one: this is for a machine that has much to do
_TOKEN_MINUTES = 5
# what StartBuild overrides, and where it is in a project
_OVERRIDES = {
    "sourceVersion": "sourceVersion",
    "secondarySourcesOverride": "secondarySources",
    "secondarySourcesVersionOverride": "secondarySourceVersions",
    "artifactsOverride": "artifacts",
    "secondaryArtifactsOverride": "secondaryArtifacts",
    "sourceTypeOverride": "source.type",
    "sourceLocationOverride": "source.location",
    "buildspecOverride": "source.buildspec",
    "gitCloneDepthOverride": "source.gitCloneDepth",
    "environmentTypeOverride": "environment.type",
    "imageOverride": "environment.image",
    "computeTypeOverride": "environment.computeType",
    "privilegedModeOverride": "environment.privilegedMode",
    "imagePullCredentialsTypeOverride": "environment.imagePullCredentialsType",
    "cacheOverride": "cache",
    "serviceRoleOverride": "serviceRole",
    "timeoutInMinutesOverride": "timeoutInMinutes",
    "queuedTimeoutInMinutesOverride": "queuedTimeoutInMinutes",
    "encryptionKeyOverride": "encryptionKey",
    "logsConfigOverride": "logsConfig",
}
_READ = {"projectName", "environmentVariablesOverride", "idempotencyToken", *_OVERRIDES}


class _Asked(NamedTuple):
    """A request to start a build that had a token, and what came of it."""

    at: float
    params: Record
    build_id: str


class Builds:
    """StartBuild and what belongs to it."""

    def __init__(self, plane: Plane, projects: Projects) -> None:
        self._plane, self._projects = plane, projects
        self._builds: dict[str, Build] = {}
        self._numbers: Counter[str] = Counter()
        self._tokens: dict[str, _Asked] = {}
        self._threads: list[threading.Thread] = []

    def start_build(self, params: Record, initiator: str) -> Record:
        """Start a build of a project."""
        token = params.get("idempotencyToken")
        with self._plane.lock:
            if (earlier := self._asked_before(token)) is not None:
                if earlier.params != params:
                    raise invalid(f"Parameter mismatch: token {token} came with other parameters")
                return self._told(self._builds[earlier.build_id])
            project = self._projects.check(
                _overridden(self._projects.get(params["projectName"]), params)
            )
            if project["source"]["type"] == "CODEPIPELINE":
                raise invalid("Only a pipeline starts a build whose source is of type CODEPIPELINE")
            build = self._start(project, initiator, params)
            if token:
                self._tokens[token] = _Asked(time.monotonic(), params, build.id)
            return self._told(build)

    def start_for_pipeline(self, name: str, asked: PipelineBuild) -> str:
        """Start a build whose source and artifacts are a pipeline's; return its id."""
        with self._plane.lock:
            project = self._projects.get(name)
            more = {"environmentVariablesOverride": [dict(each) for each in asked.environment]}
            project = self._projects.check(_overridden(project, more))
            if project["source"]["type"] != "CODEPIPELINE":
                kind = project["source"]["type"]
                raise invalid(f"Project {name} has a source of type {kind}, expected CODEPIPELINE")
            if asked.kms_key:
                project["encryptionKey"] = asked.kms_key
            build = self._start(project, asked.initiator, {}, asked)
            return build.id

    def retry_build(self, params: Record, initiator: str) -> Record:
        """Start a build that ended once more, as it was asked for."""
        build = self._get(params.get("id", ""))
        if not build.record["buildComplete"]:
            raise invalid(f"Build {build.id} has not ended")
        refuse(build.pipeline, "RetryBuild of a pipeline's build; retry the pipeline's stage")
        token = params.get("idempotencyToken")
        return self.start_build({**build.asked, "idempotencyToken": token}, initiator)

    def batch_get_builds(self, params: Record) -> Record:
        """Return builds, and the ids of which there is none."""
        found = {identity: self._builds.get(_id(identity)) for identity in params["ids"]}
        return {
            "builds": [self._told(build)["build"] for build in found.values() if build],
            "buildsNotFound": [identity for identity, build in found.items() if not build],
        }

    def list_builds(self, params: Record) -> Record:
        """Return a page of the ids of all builds."""
        return listing("ids", self._ids(params), params)

    def list_builds_for_project(self, params: Record) -> Record:
        """Return a page of the ids of a project's builds."""
        name = self._projects.get(params["projectName"])["name"]
        ids = [each for each in self._ids(params) if each.partition(":")[0] == name]
        return listing("ids", ids, params)

    def stop_build(self, params: Record) -> Record:
        """Stop a build, if it still runs."""
        build = self._get(params["id"])
        build.stopping.set()
        return self._told(build)

    def ended(self, build_id: str) -> EndedBuild | None:
        """Return what came of a build, or None while it runs."""
        build = self._get(build_id)
        with self._plane.lock:
            record = build.record
            if not record["buildComplete"]:
                return None
            variables = record.get("exportedEnvironmentVariables", [])
            exported = {each["name"]: each["value"] for each in variables}
            return EndedBuild(record["buildStatus"], build.failure(), exported)

    def close(self) -> None:
        """Stop every build, and wait until it has ended."""
        self._plane.closing.set()
        deadline = time.monotonic() + _CLOSING_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start(
        self, project: Record, initiator: str, asked: Record, pipeline: PipelineBuild | None = None
    ) -> Build:
        name = project["name"]
        limit = project.get("concurrentBuildLimit")
        running = [build for build in self._builds.values() if _runs(build, name)]
        if limit is not None and len(running) >= limit:
            message = f"Cannot have more than {limit} builds in queue for the project {name}"
            raise ServiceError("AccountLimitExceededException", message)
        self._numbers[name] += 1
        build = new_build(self._plane, project, self._numbers[name], initiator, asked, pipeline)
        self._builds[build.id] = build
        runner = Runner(self._plane, build)
        thread = threading.Thread(target=runner.run, name=build.id, daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()
        return build

    def _asked_before(self, token: str | None) -> "_Asked | None":
        """Return the request that had a token, as long as tokens are remembered."""
        oldest = time.monotonic() - _TOKEN_MINUTES * self._plane.minute_seconds
        self._tokens = {name: each for name, each in self._tokens.items() if each.at > oldest}
        return self._tokens.get(token or "")

    def _get(self, build_id: str) -> Build:
        if ":" not in build_id:
            raise invalid("Invalid build ID provided")
        build = self._builds.get(_id(build_id))
        if build is None:
            raise missing(f"Build {build_id} does not exist")
        return build

    def _ids(self, params: Record) -> list[str]:
        with self._plane.lock:
            ids = list(self._builds)
        return ids if params.get("sortOrder") == "ASCENDING" else ids[::-1]

    def _told(self, build: Build) -> Record:
        with self._plane.lock:
            return {"build": deepcopy(build.record)}


def _id(identity: str) -> str:
    return identity.rpartition(":build/")[2]


def _runs(build: Build, project: str) -> bool:
    return build.record["projectName"] == project and not build.record["buildComplete"]


def _overridden(project: Mapping[str, Any], params: Record) -> Record:
    """Return a project as a build of it is asked for."""
    for name, value in params.items():
        refuse(name not in _READ and value is not None, name)
    changed: Record = deepcopy(dict(project))
    for name, path in _OVERRIDES.items():
        if params.get(name) is not None:
            outer, _, inner = path.partition(".")
            if inner:
                changed[outer] = {**changed[outer], inner: params[name]}
            else:
                changed[outer] = params[name]
    variables = {each["name"]: each for each in changed["environment"]["environmentVariables"]}
    variables |= {each["name"]: each for each in params.get("environmentVariablesOverride") or []}
    environment = {**changed["environment"], "environmentVariables": list(variables.values())}
    return {**changed, "environment": environment}
