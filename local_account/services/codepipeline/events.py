"""CodePipeline's EventBridge events, field for field as AWS sends them.

Source: AWS documentation "Monitoring CodePipeline events".
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from local_account.services.codepipeline.records import ActionRun, Artifact, Execution, Pipeline

Emit = Callable[[str, str, dict[str, Any], str], None]

_SPELLING = {"InProgress": "STARTED", "Cancelled": "CANCELED"}


class Events:
    """Tells the default bus what becomes of executions."""

    def __init__(self, emit: Emit, region: str) -> None:
        self._emit, self._region = emit, region

    def pipeline(self, pipeline: Pipeline, execution: Execution, state: str) -> None:
        """Tell of an execution as a whole."""
        detail: dict[str, Any] = {"start-time": _moment(execution.started)}
        if state == "InProgress":
            detail["execution-trigger"] = {
                "trigger-type": execution.trigger["triggerType"],
                "trigger-detail": execution.trigger["triggerDetail"],
            }
        if state in ("Stopping", "Stopped") and execution.stop_reason:
            detail["stop-execution-comments"] = execution.stop_reason
        self._tell("Pipeline", pipeline, execution, state, detail)

    def stage(self, pipeline: Pipeline, execution: Execution, stage: str, state: str) -> None:
        """Tell of an execution in one stage."""
        detail = {"start-time": _moment(execution.started), "stage": stage}
        self._tell("Stage", pipeline, execution, state, detail)

    def action(self, pipeline: Pipeline, execution: Execution, run: ActionRun) -> None:
        """Tell of an execution of an action."""
        asked = run.action["actionTypeId"]
        result = run.result
        told: dict[str, Any] = {
            "external-execution-url": result.url,
            "external-execution-summary": result.summary or run.error.get("message", ""),
            "external-execution-id": result.external_id,
            "error-code": run.error.get("code", ""),
        }
        detail: dict[str, Any] = {
            "start-time": _moment(run.started),
            "stage": run.stage,
            "action-execution-id": run.run_id,
            "action": run.name,
            "region": self._region,
            "type": {name: asked[name] for name in ("owner", "provider", "category", "version")},
        }
        if run.status in ("Succeeded", "Failed"):
            detail["execution-result"] = {name: value for name, value in told.items() if value}
        if run.inputs:
            detail["input-artifacts"] = _artifacts(run.inputs)
        if run.outputs and run.status == "Succeeded":
            detail["output-artifacts"] = _artifacts(run.outputs)
        self._tell("Action", pipeline, execution, run.status, detail)

    def _tell(
        self,
        kind: str,
        pipeline: Pipeline,
        execution: Execution,
        state: str,
        detail: dict[str, Any],
    ) -> None:
        whole = {
            "pipeline": pipeline.name,
            "execution-id": execution.execution_id,
            **detail,
            "state": _SPELLING.get(state, state.upper()),
            "version": execution.definition["version"],
            "pipeline-execution-attempt": execution.attempt,
        }
        kind = f"CodePipeline {kind} Execution State Change"
        self._emit(kind, pipeline.arn, whole, "aws.codepipeline")


def _artifacts(artifacts: Iterable[Artifact]) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "s3location": {"bucket": each.bucket, "key": each.key}}
        for each in artifacts
    ]


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"
