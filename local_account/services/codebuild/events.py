"""CodeBuild's events on the default bus.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
"""

from datetime import UTC, datetime
from typing import Any

from local_account.services.codebuild.plane import Plane, Record
from local_account.services.codebuild.records import Build
from local_account.services.eventbridge import new_event


def state_changed(plane: Plane, build: Build) -> None:
    """Tell the bus that a build has begun or ended."""
    current = build.phases[-1]
    detail = {
        "build-status": build.record["buildStatus"],
        **_identity(build),
        "additional-information": _information(build),
        "current-phase": current["phaseType"],
        "current-phase-context": _joined(current),
        "version": "1",
    }
    _emit(plane, "CodeBuild Build State Change", build, detail)


def phase_changed(plane: Plane, build: Build, phase: Record) -> None:
    """Tell the bus that a phase of a build has ended."""
    detail = {
        "completed-phase": phase["phaseType"],
        **_identity(build),
        "completed-phase-context": _joined(phase),
        "additional-information": _information(build),
        "completed-phase-status": phase["phaseStatus"],
        "completed-phase-duration-seconds": phase["durationInSeconds"],
        "version": "1",
        "completed-phase-start": _date(phase["startTime"]),
        "completed-phase-end": _date(phase["endTime"]),
    }
    _emit(plane, "CodeBuild Build Phase Change", build, detail)


def _emit(plane: Plane, detail_type: str, build: Build, detail: dict[str, Any]) -> None:
    arn = build.record["arn"]
    plane.emit(new_event(plane.account, "aws.codebuild", detail_type, [arn], detail))


def _identity(build: Build) -> Record:
    return {"project-name": build.record["projectName"], "build-id": build.record["arn"]}


def _information(build: Build) -> Record:
    record = build.record
    environment, source = record["environment"], record["source"]
    digests = {name: record["artifacts"].get(name) for name in ("md5sum", "sha256sum")}
    location = {"location": source["location"]} if source.get("location") else {}
    return {
        "artifact": {
            **{name: digest for name, digest in digests.items() if digest},
            "location": record["artifacts"]["location"],
        },
        "environment": {
            "image": environment["image"],
            "privileged-mode": environment["privilegedMode"],
            "compute-type": environment["computeType"],
            "type": environment["type"],
            "environment-variables": environment["environmentVariables"],
        },
        "timeout-in-minutes": record["timeoutInMinutes"],
        "build-complete": record["buildComplete"],
        "initiator": record["initiator"],
        "build-start-time": _date(record["startTime"]),
        "source": {**location, "type": source["type"]},
        "logs": _logs(record["logs"]),
        "phases": [_phase(phase) for phase in build.phases],
    }


def _logs(logs: Record) -> Record:
    if "groupName" not in logs:
        return {}
    names = {"group-name": "groupName", "stream-name": "streamName", "deep-link": "deepLink"}
    return {name: logs[member] for name, member in names.items()}


def _phase(phase: Record) -> Record:
    begun = {"start-time": _date(phase["startTime"]), "phase-type": phase["phaseType"]}
    if "endTime" not in phase:
        return begun
    return {
        "phase-context": _contexts(phase),
        "end-time": _date(phase["endTime"]),
        "duration-in-seconds": phase["durationInSeconds"],
        "phase-status": phase["phaseStatus"],
        **begun,
    }


def _contexts(phase: Record) -> list[str]:
    return [f"{each['statusCode']}: {each['message']}" for each in phase.get("contexts", [])]


def _joined(phase: Record) -> str:
    return f"[{', '.join(_contexts(phase))}]"


def _date(seconds: float) -> str:
    """Write a time as `Mar 4, 2026 8:01:02 AM`."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%b} {at.day}, {at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"
