"""The demo's figures as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.history import History
    from mlops.pipeline_history import PipelineHistory
    from mlops.runs import Run
    from mlops.versions import ModelVersion


def summarize(
    versions: Sequence[ModelVersion],
    runs: Sequence[tuple[Run, History]],
    commits: Sequence[PipelineHistory],
    phases: Mapping[str, float],
    wall_seconds: float,
) -> dict[str, Any]:
    """Return what the demo measured: versions, commits, states of each run, phases, wall time."""
    return {
        "versions": [_version(each) for each in versions],
        "commits": [_commit(each) for each in commits],
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
        "commit": version.commit,
        "image_digest": version.image_digest,
        "execution_arn": version.execution_arn,
    }


def _commit(history: PipelineHistory) -> dict[str, Any]:
    execution = history.execution
    return {
        "commit": execution.commit,
        "message": execution.message,
        "pipeline_execution_id": execution.id,
        "status": execution.status,
        "stages": [
            {
                "name": action.stage,
                "status": action.status,
                "start": action.started.isoformat(timespec="milliseconds"),
                "seconds": round(action.seconds(action.updated), 3),
            }
            for action in history.actions
        ],
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
