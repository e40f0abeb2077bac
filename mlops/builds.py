"""Builds of CodeBuild: in which phase one failed, why, and what it wrote last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.errors import one_line
from mlops.logs import stream_log
from mlops.polling import looks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.target import Target

_OWN, _OWN_LINES = "[Container] ", 40
"""How CodeBuild begins its own lines, and how many it writes around a command that fails."""
_BAD = ("FAILED", "FAULT", "TIMED_OUT", "STOPPED")
_STOP_SECONDS = 120.0


@dataclass(frozen=True)
class Build:
    """One build of a project."""

    id: str
    project: str
    status: str
    phase: str
    """The phase that failed, else the one that it is in."""
    cause: str
    """Why that phase failed, in one line; empty where none did."""
    log_group: str
    log_stream: str
    compute_type: str
    seconds: float


def read_build(target: Target, build_id: str) -> Build | None:
    """Describe a build; None where CodeBuild does not know it any more."""
    builds: Any = target.codebuild.batch_get_builds(ids=[build_id])["builds"]
    return _build(builds[0]) if builds else None


def _build(described: Any) -> Build:
    failed = _failed_phase(described.get("phases", []))
    logs = described.get("logs", {})
    began, ended = described.get("startTime"), described.get("endTime")
    return Build(
        id=described["id"],
        project=described["projectName"],
        status=described["buildStatus"],
        phase=(failed or {}).get("phaseType") or described.get("currentPhase", "-"),
        cause=_cause(failed) if failed else "",
        log_group=logs.get("groupName", ""),
        log_stream=logs.get("streamName", ""),
        compute_type=described.get("environment", {}).get("computeType", ""),
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
    )


def _failed_phase(phases: Sequence[Any]) -> Any:
    return next((each for each in phases if each.get("phaseStatus") in _BAD), None)


def _cause(phase: Any) -> str:
    told = [
        ": ".join(part for part in (each.get("statusCode"), each.get("message")) if part)
        for each in phase.get("contexts", [])
    ]
    return one_line("; ".join(filter(None, told))) or phase["phaseStatus"]


def stop_builds(target: Target, build_ids: Sequence[str]) -> list[str]:
    """Stop those of some builds that go on; return, once none does, the few that take too long."""
    left = _going_on(target, build_ids)
    for each in left:
        target.codebuild.stop_build(id=each)
    for _ in looks(_STOP_SECONDS, every=target.poll_seconds):
        left = _going_on(target, left)
        if not left:
            break
    return left


def _going_on(target: Target, build_ids: Sequence[str]) -> list[str]:
    if not build_ids:  # of which the service refuses to tell
        return []
    described = target.codebuild.batch_get_builds(ids=list(build_ids))["builds"]
    return [each["id"] for each in described if each["buildStatus"] == "IN_PROGRESS"]


def build_log(target: Target, build: Build, lines: int) -> list[str]:
    """Return the last lines of a build's log, none where it wrote none."""
    if not (build.log_group and build.log_stream):
        return []
    try:
        return stream_log(target.logs, build.log_group, build.log_stream, lines)[-lines:]
    except target.logs.exceptions.ResourceNotFoundException:
        return []


def said_last(target: Target, build: Build, lines: int) -> list[str]:
    """Return what a build's commands wrote last, without the lines of CodeBuild's own."""
    log = build_log(target, build, lines + _OWN_LINES)
    return ([line for line in log if not line.startswith(_OWN)] or log)[-lines:]
