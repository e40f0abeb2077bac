"""Pipelines, executions and actions as the API tells of them."""

from collections.abc import Iterable
from typing import Any

from local_account.services.codepipeline.records import (
    IN_PROGRESS,
    ActionRun,
    Artifact,
    Execution,
    Pipeline,
    Record,
    Revision,
    Stage,
)
from local_account.services.paging import page

_PAGE = 100


def listing(params: Record, member: str, rows: list[Any]) -> Record:
    """Return a page of a listing and the token of the next one.

    Raises
    ------
    ServiceError
        If the token is none.
    """
    size = params.get("maxResults", _PAGE)
    shown, token = page(rows, params.get("nextToken"), size, "InvalidNextTokenException")
    return {member: shown, "nextToken": token}


def listed_pipeline(pipeline: Pipeline) -> Record:
    """Return a pipeline as ListPipelines does."""
    names = ("name", "version", "pipelineType", "executionMode")
    told = {name: pipeline.definition[name] for name in names}
    return {**told, "created": pipeline.created, "updated": pipeline.updated}


def execution(pipeline: Pipeline, found: Execution) -> Record:
    """Return an execution as GetPipelineExecution does."""
    return {
        **_shared(found),
        "pipelineName": pipeline.name,
        "pipelineVersion": found.definition["version"],
        "artifactRevisions": list(_artifact_revisions(found)),
        "variables": [
            {"name": name, "resolvedValue": value} for name, value in found.variables.items()
        ],
    }


def listed_execution(found: Execution) -> Record:
    """Return an execution as ListPipelineExecutions does."""
    stopped = {"reason": found.stop_reason} if found.ending == "Stopped" else None
    return {
        **_shared(found),
        "startTime": found.started,
        "lastUpdateTime": found.updated,
        "sourceRevisions": [
            {"actionName": each.action, **_revision(each)} for each in found.revisions.values()
        ],
        "stopTrigger": stopped,
    }


def _shared(found: Execution) -> Record:
    return {
        "pipelineExecutionId": found.execution_id,
        "status": found.status,
        "trigger": dict(found.trigger),
        "executionMode": found.definition["executionMode"],
        "executionType": "STANDARD",
    }


def _artifact_revisions(found: Execution) -> Iterable[Record]:
    for run in found.runs:
        revision = found.revisions.get(run.name)
        if revision and run.status == "Succeeded" and run.action["outputArtifacts"]:
            name = run.action["outputArtifacts"][0]["name"]
            yield {"name": name, "created": run.updated, **_revision(revision)}


def _revision(found: Revision) -> Record:
    return {
        "revisionId": found.revision_id,
        "revisionSummary": found.summary or None,
        "revisionUrl": found.url,
    }


def state(pipeline: Pipeline) -> Record:
    """Return a pipeline as GetPipelineState does."""
    definition = pipeline.definition
    return {
        "pipelineName": pipeline.name,
        "pipelineVersion": definition["version"],
        "created": pipeline.created,
        "updated": pipeline.updated,
        "stageStates": [
            _stage(pipeline.stages[declared["name"]], declared) for declared in definition["stages"]
        ],
    }


def _stage(stage: Stage, declared: Record) -> Record:
    last, waiting = stage.last, [_inbound(each) for each in stage.waiting]
    told: Record = {
        "stageName": stage.name,
        "inboundExecution": waiting[0] if waiting else None,
        "inboundExecutions": waiting,
        "inboundTransitionState": {"enabled": not stage.closed, **stage.closed},
        "actionStates": [_action(stage, action) for action in declared["actions"]],
    }
    if last is not None:
        told["latestExecution"] = {
            "pipelineExecutionId": last.execution_id,
            "status": last.stages[stage.name],
            "type": "STANDARD",
        }
        if retried := last.retries.get(stage.name):
            told["retryStageMetadata"] = {
                "manualStageRetryAttempt": retried,
                "latestRetryTrigger": "ManualStageRetry",
            }
    return told


def _inbound(waiting: Execution) -> Record:
    told = {"pipelineExecutionId": waiting.execution_id, "status": IN_PROGRESS}
    return {**told, "type": "STANDARD"}


def _action(stage: Stage, action: Record) -> Record:
    run = stage.runs.get(action["name"])
    told: Record = {"actionName": action["name"]}
    if run is None:
        return told
    told["latestExecution"] = {
        "actionExecutionId": run.run_id,
        "status": run.status,
        "summary": run.result.summary or None,
        "lastStatusChange": run.updated,
        "token": (run.token if run.status == IN_PROGRESS else None) or None,
        "lastUpdatedBy": run.updated_by or None,
        "externalExecutionId": run.result.external_id or None,
        "externalExecutionUrl": run.result.url or None,
        "errorDetails": dict(run.error) or None,
    }
    if action["actionTypeId"]["category"] == "Source" and run.result.external_id:
        told["revisionUrl"] = run.result.url
        told["currentRevision"] = {
            "revisionId": run.result.external_id,
            "revisionChangeId": run.result.external_id,
            "created": run.updated,
        }
    return told


def action_execution(run: ActionRun, region: str) -> Record:
    """Return an execution of an action as ListActionExecutions does."""
    result, succeeded = run.result, run.status == "Succeeded"
    return {
        "pipelineExecutionId": run.execution_id,
        "actionExecutionId": run.run_id,
        "pipelineVersion": run.version,
        "stageName": run.stage,
        "actionName": run.name,
        "startTime": run.started,
        "lastUpdateTime": run.updated,
        "updatedBy": run.updated_by or None,
        "status": run.status,
        "input": {
            "actionTypeId": run.action["actionTypeId"],
            "configuration": run.action["configuration"],
            "resolvedConfiguration": dict(run.configuration),
            "roleArn": run.role_arn,
            "region": region,
            "inputArtifacts": _artifacts(run.inputs),
            "namespace": run.action.get("namespace"),
        },
        "output": {
            "outputArtifacts": _artifacts(run.outputs if succeeded else ()),
            "executionResult": {
                "externalExecutionId": result.external_id or None,
                "externalExecutionSummary": result.summary or run.error.get("message"),
                "externalExecutionUrl": result.url or None,
                "errorDetails": dict(run.error) or None,
            },
            "outputVariables": dict(result.variables) if succeeded else {},
        },
    }


def _artifacts(artifacts: Iterable[Artifact]) -> list[Record]:
    return [
        {"name": each.name, "s3location": {"bucket": each.bucket, "key": each.key}}
        for each in artifacts
    ]
