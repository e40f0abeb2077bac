"""Pipeline executions: started, stopped, retried, approved, and what is known of them."""

import time
import uuid
from collections.abc import Iterable, Mapping

from local_account.service import ServiceError
from local_account.services.codepipeline import answers
from local_account.services.codepipeline.action_types import unmodelled
from local_account.services.codepipeline.approvals import decide
from local_account.services.codepipeline.definitions import Definitions
from local_account.services.codepipeline.records import (
    FAILED,
    RUNNING,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    ActionRun,
    Execution,
    Pipeline,
    Record,
    Stage,
)

_MOST_AT_ONCE = 50
_EVENTS = "events.amazonaws.com"


class Executions(Definitions):
    """The pipelines of an account, and their executions."""

    def start_pipeline_execution(self, params: Record) -> Record:
        """Start an execution; the same token starts no second one."""
        with self._lock:
            pipeline = self._pipeline(params["name"])
            token = params.get("clientRequestToken", str(uuid.uuid4()))
            if token not in pipeline.tokens:
                variables = _variables(pipeline, params.get("variables", []))
                overrides = _overrides(pipeline, params.get("sourceRevisions", []))
                _refuse_too_many(pipeline)
                trigger = self._trigger("StartPipelineExecution")
                execution = _new(pipeline, trigger, variables, overrides)
                pipeline.tokens[token] = execution.execution_id
                self._flow.start(pipeline, execution)
            return {"pipelineExecutionId": pipeline.tokens[token]}

    def get_pipeline_execution(self, params: Record) -> Record:
        """Return an execution as it is now."""
        with self._lock:
            pipeline = self._pipeline(params["pipelineName"])
            found = _execution(pipeline, params["pipelineExecutionId"])
            return {"pipelineExecution": answers.execution(pipeline, found)}

    def list_pipeline_executions(self, params: Record) -> Record:
        """Return a page of the executions, the newest first."""
        wanted = params.get("filter", {}).get("succeededInStage", {}).get("stageName")
        with self._lock:
            pipeline = self._pipeline(params["pipelineName"])
            found = [
                answers.listed_execution(each)
                for each in reversed(pipeline.executions.values())
                if wanted is None or each.stages.get(wanted) == SUCCEEDED
            ]
        return answers.listing(params, "pipelineExecutionSummaries", found)

    def get_pipeline_state(self, params: Record) -> Record:
        """Return what is going on in each stage."""
        with self._lock:
            return answers.state(self._pipeline(params["name"]))

    def list_action_executions(self, params: Record) -> Record:
        """Return a page of the executions of actions, the newest first."""
        with self._lock:
            pipeline = self._pipeline(params["pipelineName"])
            runs = sorted(_runs(pipeline, params.get("filter", {})), key=lambda run: -run.started)
            found = [answers.action_execution(run, self.account.region) for run in runs]
        return answers.listing(params, "actionExecutionDetails", found)

    def stop_pipeline_execution(self, params: Record) -> Record:
        """End an execution: when its actions have ended, or at once."""
        with self._lock:
            pipeline = self._pipeline(params["pipelineName"])
            execution = pipeline.executions.get(params["pipelineExecutionId"])
            if execution is None or execution.status not in RUNNING:
                raise ServiceError(
                    "PipelineExecutionNotStoppableException",
                    "Unable to stop the pipeline execution. The execution might already be in a "
                    "Stopped state, or it might no longer be in progress.",
                )
            abandon = params.get("abandon", False)
            if execution.status == STOPPING and not abandon:
                raise ServiceError(
                    "DuplicatedStopRequestException",
                    "The pipeline execution is already in a Stopping state. If you already chose "
                    "to stop and wait, you cannot make that request again.",
                )
            if execution.status != STOPPING:
                self._flow.stop(pipeline, execution, params.get("reason"))
            if abandon:
                self._flow.abandon(pipeline, execution)
            return {"pipelineExecutionId": execution.execution_id}

    def retry_stage_execution(self, params: Record) -> Record:
        """Repeat a stage that the newest execution in it failed, all of it or what failed."""
        with self._lock:
            pipeline = self._pipeline(params["pipelineName"])
            stage = _stage(pipeline, params["stageName"])
            execution = pipeline.executions.get(params["pipelineExecutionId"])
            if execution is None or (stage.last is not execution and not pipeline.parallel):
                newest = stage.last.execution_id if stage.last else "none"
                raise ServiceError(
                    "NotLatestPipelineExecutionException",
                    f"The execution {params['pipelineExecutionId']} is not the latest in stage "
                    f"{stage.name}, which is {newest}",
                )
            _refuse_retry(pipeline, execution, stage)
            self._flow.retry(pipeline, execution, stage, params["retryMode"] == "ALL_ACTIONS")
            return {"pipelineExecutionId": execution.execution_id}

    def put_approval_result(self, params: Record) -> Record:
        """Approve or reject."""
        with self._lock:
            pipeline = self._pipeline(params["pipelineName"])
            stage, name = _stage(pipeline, params["stageName"]), params["actionName"]
            (declared,) = (
                each for each in pipeline.definition["stages"] if each["name"] == stage.name
            )
            if name not in [action["name"] for action in declared["actions"]]:
                message = f"The stage {stage.name} of {pipeline.name} has no action {name}"
                raise ServiceError("ActionNotFoundException", message)
            asked = _asked(pipeline, stage.name, name, params["token"]) or stage.runs.get(name)
            decide(asked, params["token"], params["result"], self._caller_arn())
        return {"approvedAt": time.time()}

    def disable_stage_transition(self, params: Record) -> None:
        """Let no execution into a stage."""
        with self._lock:
            stage = self._transition(params)
            stage.closed = {
                "disabledReason": params["reason"],
                "lastChangedBy": self._caller_arn(),
                "lastChangedAt": time.time(),
            }

    def enable_stage_transition(self, params: Record) -> None:
        """Let executions into a stage again, the one that waits at once."""
        with self._lock:
            stage = self._transition(params)
            stage.closed = {}
            self._flow.admit(self._pipeline(params["pipelineName"]), stage)

    def _transition(self, params: Record) -> Stage:
        pipeline = self._pipeline(params["pipelineName"])
        if params["transitionType"] != "Inbound" or pipeline.parallel:
            raise unmodelled("transitions other than Inbound, or in mode PARALLEL", pipeline.name)
        return _stage(pipeline, params["stageName"])

    def _created(self, pipeline: Pipeline) -> None:
        variables = _variables(pipeline, [])
        self._flow.start(pipeline, _new(pipeline, self._trigger("CreatePipeline"), variables, {}))

    def _trigger(self, kind: str) -> Mapping[str, str]:
        service, source_arn = self.account.identities.acts_for(self._caller.access_key_id)
        if service == _EVENTS:
            return {"triggerType": "CloudWatchEvent", "triggerDetail": source_arn}
        return {"triggerType": kind, "triggerDetail": self._caller_arn()}

    def _caller_arn(self) -> str:
        found = self.account.identities.identify(self._caller.access_key_id)
        return found[0].arn if found else ""


def _new(
    pipeline: Pipeline,
    trigger: Mapping[str, str],
    variables: Mapping[str, str],
    overrides: Mapping[str, str],
) -> Execution:
    number = len(pipeline.executions)
    return Execution(str(uuid.uuid4()), number, pipeline.definition, trigger, variables, overrides)


def _variables(pipeline: Pipeline, given: list[Record]) -> dict[str, str]:
    declared = pipeline.definition.get("variables", [])
    values = {each["name"]: each["defaultValue"] for each in declared if "defaultValue" in each}
    values |= {each["name"]: each["value"] for each in given}
    if unknown := sorted(values.keys() - {each["name"] for each in declared}):
        message = f"The pipeline {pipeline.name} has no variable {unknown[0]}"
        raise ServiceError("ValidationException", message)
    return values


def _overrides(pipeline: Pipeline, given: list[Record]) -> dict[str, str]:
    sources = {action["name"] for action in pipeline.definition["stages"][0]["actions"]}
    for each in given:
        if each["actionName"] not in sources:
            message = f"{each['actionName']} is no source action, expected one of {sources}"
            raise ServiceError("ValidationException", message)
        if each["revisionType"] != "COMMIT_ID":
            raise unmodelled(f"the revision type {each['revisionType']}", "sourceRevisions")
    return {each["actionName"]: each["revisionValue"] for each in given}


def _refuse_too_many(pipeline: Pipeline) -> None:
    mode = pipeline.definition["executionMode"]
    running = [each for each in pipeline.executions.values() if each.status in RUNNING]
    if mode != "SUPERSEDED" and len(running) >= _MOST_AT_ONCE:
        raise ServiceError(
            "ConcurrentPipelineExecutionsLimitExceededException",
            f"The pipeline {pipeline.name} has {len(running)} executions in progress, expected "
            f"at most {_MOST_AT_ONCE} in mode {mode}",
        )


def _refuse_retry(pipeline: Pipeline, execution: Execution, stage: Stage) -> None:
    changed = execution.definition["version"] != pipeline.definition["version"]
    over = execution.status in (FAILED, STOPPED)
    if changed or not over or execution.stages.get(stage.name) not in (FAILED, STOPPED):
        raise ServiceError(
            "StageNotRetryableException",
            "Unable to retry. The pipeline structure or stage state might have changed while "
            "actions awaited retry, or the stage contains no failed actions.",
        )


def _execution(pipeline: Pipeline, execution_id: str) -> Execution:
    if execution_id not in pipeline.executions:
        message = f"The pipeline {pipeline.name} has no execution with id {execution_id}"
        raise ServiceError("PipelineExecutionNotFoundException", message)
    return pipeline.executions[execution_id]


def _stage(pipeline: Pipeline, name: str) -> Stage:
    if name not in pipeline.stages:
        message = f"The pipeline {pipeline.name} has no stage {name}"
        raise ServiceError("StageNotFoundException", message)
    return pipeline.stages[name]


def _asked(pipeline: Pipeline, stage: str, action: str, token: str) -> ActionRun | None:
    """Return the approval with a token: in mode PARALLEL there are several at once."""
    runs = (execution.latest(stage, action) for execution in pipeline.executions.values())
    return next((run for run in runs if run and run.token == token), None)


def _runs(pipeline: Pipeline, wanted: Record) -> Iterable[ActionRun]:
    newest = wanted.get("latestInPipelineExecution", {})
    execution_id = wanted.get("pipelineExecutionId", newest.get("pipelineExecutionId"))
    every = list(pipeline.executions.values())
    for execution in every if execution_id is None else [_execution(pipeline, execution_id)]:
        for run in execution.runs:
            latest = execution.latest(run.stage, run.name) is run
            if latest or newest.get("startTimeRange") != "Latest":
                yield run
