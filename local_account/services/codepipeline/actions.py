"""Carry out one execution of an action, whatever becomes of it."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping

from local_account.service import Account
from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.events import Events
from local_account.services.codepipeline.records import (
    FAILED,
    IN_PROGRESS,
    SUCCEEDED,
    ActionFailed,
    ActionRun,
    Execution,
    Pipeline,
    Record,
    Result,
)
from local_account.services.codepipeline.variables import resolved
from local_account.services.codepipeline.work import Left, Work

Provider = Callable[[Work], Result]

_INTERNAL = {"code": "InternalError", "message": "The action failed for a reason of the account's."}


class Actions:
    """The actions of all pipelines.

    Attributes
    ----------
    lock
        Held by whoever changes the state of a pipeline.
    closing
        Set once the account stops.
    """

    def __init__(
        self, account: Account, providers: Mapping[tuple[str, str], Provider], events: Events
    ) -> None:
        self._account, self._providers, self._events = account, providers, events
        self.lock = threading.RLock()
        self.closing = threading.Event()

    def begin(
        self, pipeline: Pipeline, execution: Execution, stage: str, action: Record, turn: int
    ) -> threading.Thread | None:
        """Start an action in a thread of its own, unless its execution has left the stage."""
        with self.lock:
            if execution.turn != turn or execution.ending or self.closing.is_set():
                return None
            run = self._new(execution, stage, action)
            execution.runs.append(run)
            pipeline.stages[stage].runs[run.name] = run
            self._events.action(pipeline, execution, run)
        work = Work(self._account, pipeline, execution, run, self.closing)
        thread = threading.Thread(target=self._carry_out, args=(work,), name=run.name, daemon=True)
        thread.start()
        return thread

    def abandon(self, pipeline: Pipeline, execution: Execution) -> None:
        """Wait for the actions of an execution no longer; what they started goes on."""
        for run in execution.runs:
            if run.status == IN_PROGRESS:
                run.status, run.updated = "Abandoned", time.time()
                run.leaves.set()
                self._events.action(pipeline, execution, run)

    def _new(self, execution: Execution, stage: str, action: Record) -> ActionRun:
        definition = execution.definition
        names = [each["name"] for each in action["inputArtifacts"]]
        return ActionRun(
            run_id=str(uuid.uuid4()),
            execution_id=execution.execution_id,
            stage=stage,
            action=action,
            version=definition["version"],
            attempt=execution.attempt,
            role_arn=str(action.get("roleArn") or definition["roleArn"]),
            inputs=tuple(
                execution.artifacts[name] for name in names if name in execution.artifacts
            ),
            outputs=tuple(
                artifacts.place(definition, each["name"]) for each in action["outputArtifacts"]
            ),
        )

    def _carry_out(self, work: Work) -> None:
        run, error = work.run, _INTERNAL
        result: Result | None = None
        try:
            result = self._results(work)
        except ActionFailed as failed:
            run.result = failed.result or run.result
            error = {"code": failed.code, "message": failed.message}
        except Left:
            return
        finally:
            # whatever happens to this thread, the action does not stay in progress
            self._ended(work, result, error)

    def _results(self, work: Work) -> Result:
        run, execution = work.run, work.execution
        missing = [each["name"] for each in run.action["inputArtifacts"]]
        missing = [name for name in missing if name not in execution.artifacts]
        if missing:
            raise ActionFailed("ConfigurationError", f"No action has made the artifact {missing}")
        own = {"PipelineExecutionId": execution.execution_id}
        spaces = {
            "codepipeline": own,
            "variables": execution.variables,
            **execution.namespaces,
        }
        run.configuration = resolved(run.action["configuration"], spaces)
        asked = run.action["actionTypeId"]
        return self._providers[asked["category"], asked["provider"]](work)

    def _ended(self, work: Work, result: Result | None, error: Mapping[str, str]) -> None:
        run, execution = work.run, work.execution
        with self.lock:
            if run.status != IN_PROGRESS or self.closing.is_set():
                return
            run.updated = time.time()
            if result is None:
                run.status, run.error = FAILED, error
            else:
                run.status, run.result = SUCCEEDED, result
                execution.artifacts |= {each.name: each for each in run.outputs}
                if result.revision is not None:
                    execution.revisions[run.name] = result.revision
                if namespace := run.action.get("namespace"):
                    execution.namespaces[namespace] = result.variables
            self._events.action(work.pipeline, execution, run)
