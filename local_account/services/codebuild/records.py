"""Builds as CodeBuild tells of them, and their phases."""

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_account.services.codebuild.plane import PipelineBuild, Plane, Record


class PhaseFailed(Exception):
    """A phase failed: the status code of its context, and the message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Interrupted(Exception):
    """A build was stopped, or has run out of time; the status that it comes to."""

    def __init__(self, status: str, code: str = "", message: str = "") -> None:
        super().__init__(message or status)
        self.status, self.code, self.message = status, code, message


@dataclass
class Build:
    """One build.

    Attributes
    ----------
    project
        The project as it is for this build, with what StartBuild overrides.
    record
        What BatchGetBuilds tells.
    """

    project: Record
    record: Record
    asked: Record
    pipeline: PipelineBuild | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    failing: bool = False

    @property
    def id(self) -> str:
        """Return the id: the project's name and a UUID."""
        return str(self.record["id"])

    @property
    def uuid(self) -> str:
        """Return the UUID of the id."""
        return self.id.partition(":")[2]

    @property
    def phases(self) -> list[Record]:
        """Return the phases so far."""
        phases: list[Record] = self.record["phases"]
        return phases

    def enter(self, phase: str) -> Record:
        """Begin a phase."""
        entered: Record = {"phaseType": phase, "startTime": time.time()}
        self.record["currentPhase"] = phase
        self.phases.append(entered)
        return entered

    def leave(self, phase: Record, status: str, code: str = "", message: str = "") -> None:
        """End a phase."""
        now = time.time()
        contexts = [{"statusCode": code, "message": message}] if code or message else []
        phase["contexts"] = contexts
        phase["endTime"], phase["durationInSeconds"] = now, int(now - phase["startTime"])
        phase["phaseStatus"] = status

    def failure(self) -> str:
        """Return in one line why the build did not succeed, in the words that pipelines have."""
        failed = [each for each in self.phases if each.get("contexts")]
        if not failed:
            return ""
        code, message = failed[0]["contexts"][0]["statusCode"], failed[0]["contexts"][0]["message"]
        words = " ".join(message.split())
        return f"Phase: {failed[0]['phaseType']}, Code: {code}, Message: {words}"


def new_build(
    plane: Plane,
    project: Record,
    number: int,
    initiator: str,
    asked: Record,
    pipeline: PipelineBuild | None = None,
) -> Build:
    """Return a build that was just accepted."""
    identity = f"{project['name']}:{uuid.uuid4()}"
    record = {
        "id": identity,
        "arn": plane.arn("build", identity),
        "buildNumber": number,
        "startTime": time.time(),
        "buildStatus": "IN_PROGRESS",
        "projectName": project["name"],
        "currentPhase": "SUBMITTED",
        "phases": [],
        **{name: project[name] for name in _OF_PROJECT if name in project},
        **_logs(plane, project, identity),
        "artifacts": _artifacts(project["artifacts"]),
        "secondaryArtifacts": [_artifacts(each) for each in project.get("secondaryArtifacts", [])],
        "buildComplete": False,
        "initiator": initiator,
        **(_versions(pipeline) if pipeline else {}),
    }
    return Build(project, record, asked, pipeline)


_OF_PROJECT = (
    *("sourceVersion", "source", "secondarySources", "secondarySourceVersions", "cache"),
    *("environment", "serviceRole", "timeoutInMinutes", "queuedTimeoutInMinutes"),
    "encryptionKey",
)


def _versions(pipeline: PipelineBuild) -> Record:
    place = f"arn:aws:s3:::{pipeline.source.bucket}/{pipeline.source.key}"
    revision = pipeline.source_version
    return {"sourceVersion": place, **({"resolvedSourceVersion": revision} if revision else {})}


def _artifacts(artifacts: Mapping[str, Any]) -> Record:
    known = ("encryptionDisabled", "overrideArtifactName", "artifactIdentifier")
    return {"location": "", **{name: artifacts[name] for name in known if name in artifacts}}


def _logs(plane: Plane, project: Record, identity: str) -> Record:
    """Return where the build's log will be."""
    name, _, stream = identity.partition(":")
    asked = project.get("logsConfig", {}).get("cloudWatchLogs", {"status": "ENABLED"})
    off = {"s3Logs": {"status": "DISABLED", "encryptionDisabled": False}}
    if asked["status"] == "DISABLED":
        return {"logs": {"cloudWatchLogs": asked, **off}}
    group = asked.get("groupName") or f"/aws/codebuild/{name}"
    if prefix := asked.get("streamName"):
        stream = f"{prefix}/{stream}"
    page = f"https://console.aws.amazon.com/cloudwatch/home?region={plane.account.region}"
    place = {"groupName": group, "streamName": stream}
    return {
        "logs": {
            **place,
            "deepLink": f"{page}#logEvent:group={group};stream={stream}",
            "cloudWatchLogsArn": plane.account.arn(
                "logs", f"log-group:{group}:log-stream:{stream}"
            ),
            "cloudWatchLogs": asked,
            **off,
        }
    }
