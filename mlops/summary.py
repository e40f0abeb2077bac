"""The demo's figures as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.history import History
    from mlops.runs import Run
    from mlops.versions import ModelVersion


def summarize(
    versions: Sequence[ModelVersion],
    runs: Sequence[tuple[Run, History]],
    phases: Mapping[str, float],
    wall_seconds: float,
) -> dict[str, Any]:
    """Return what the demo measured: versions, states of each execution, phases, wall time."""
    return {
        "versions": [_version(each) for each in versions],
        "states": {run.execution_arn: _states(history) for run, history in runs},
        "phases": {name: round(seconds, 3) for name, seconds in phases.items()},
        "wall_seconds": round(wall_seconds, 3),
    }


def _version(version: ModelVersion) -> dict[str, Any]:
    evaluation = version.evaluation
    return {
        "number": version.number,
        "dataset": version.dataset,
        "metrics": evaluation.metrics if evaluation else {},
        "baseline": evaluation.baseline if evaluation else {},
        "gate": version.gate,
        "approval_status": version.approval_status,
        "image_digest": version.image_digest,
        "execution_arn": version.execution_arn,
    }


def _states(history: History) -> list[dict[str, Any]]:
    return [
        {
            "name": visit.name,
            "start": visit.entered.isoformat(timespec="milliseconds"),
            "seconds": round(visit.seconds(visit.entered), 3),
        }
        for visit in history.visits
    ]
