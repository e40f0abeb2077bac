"""How executions move through a pipeline: one at a time in a stage, the others in front of it.

Source: AWS documentation "How pipeline executions work".
"""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator

from local_account.services.codepipeline.actions import Actions
from local_account.services.codepipeline.events import Events
from local_account.services.codepipeline.records import (
    CANCELLED,
    FAILED,
    IN_PROGRESS,
    RUNNING,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    SUPERSEDED,
    Execution,
    Pipeline,
    Record,
    Stage,
)


class Flow:
    """The executions of all pipelines. Who calls it holds the lock of the actions."""

    def __init__(self, actions: Actions, events: Events) -> None:
        self._actions, self._events = actions, events

    def start(self, pipeline: Pipeline, execution: Execution) -> None:
        """Let a new execution in."""
        pipeline.executions[execution.execution_id] = execution
        self._events.pipeline(pipeline, execution, execution.status)
        self._arrive(pipeline, execution, 0)

    def retry(self, pipeline: Pipeline, execution: Execution, stage: Stage, again: bool) -> None:
        """Let an execution into a stage that it failed in; `again` repeats what succeeded, too."""
        execution.status, execution.ending, execution.stop_reason = IN_PROGRESS, "", None
        execution.attempt += 1
        execution.retries[stage.name] = execution.retries.get(stage.name, 0) + 1
        self._events.pipeline(pipeline, execution, "Resumed")
        self._events.stage(pipeline, execution, stage.name, "Resumed")
        self._run(pipeline, execution, stage, set() if again else _done(execution, stage.name))

    def admit(self, pipeline: Pipeline, stage: Stage) -> None:
        """Let whoever waits in front of a stage in, if nobody is in it and it is open."""
        while stage.waiting and not stage.closed and (pipeline.parallel or not stage.inside):
            execution = stage.waiting.pop(0)
            execution.stages[stage.name] = IN_PROGRESS
            self._events.stage(pipeline, execution, stage.name, IN_PROGRESS)
            self._run(pipeline, execution, stage, set())

    def stop(self, pipeline: Pipeline, execution: Execution, reason: str | None) -> None:
        """Start no further actions of an execution; it has stopped once those in progress end."""
        execution.status, execution.ending = STOPPING, STOPPED
        execution.stop_reason, execution.updated = reason, time.time()
        self._events.pipeline(pipeline, execution, STOPPING)
        self._end_waiting(pipeline, execution)

    def cancel(self, pipeline: Pipeline) -> None:
        """End the executions of a pipeline that is changed, once their actions have ended."""
        for execution in pipeline.executions.values():
            if execution.status in RUNNING:
                execution.ending = execution.ending or CANCELLED
                self._end_waiting(pipeline, execution)

    def abandon(self, pipeline: Pipeline, execution: Execution) -> None:
        """End an execution at once, without waiting for its actions."""
        self._actions.abandon(pipeline, execution)
        if execution.stage is not None:
            self._leave(pipeline, execution, execution.stage, execution.turn, execution.ending)

    def _end_waiting(self, pipeline: Pipeline, execution: Execution) -> None:
        """End an execution at once that is in no stage."""
        if execution.stage is None:
            for stage in pipeline.stages.values():
                stage.waiting = [each for each in stage.waiting if each is not execution]
            self._end(pipeline, execution, execution.ending)

    def _arrive(self, pipeline: Pipeline, execution: Execution, place: int) -> None:
        stage = pipeline.stages[execution.definition["stages"][place]["name"]]
        stage.waiting.append(execution)
        if pipeline.definition["executionMode"] == "SUPERSEDED":
            stage.waiting.sort(key=lambda each: each.number)
            older, stage.waiting = stage.waiting[:-1], stage.waiting[-1:]
            for each in older:
                self._end(pipeline, each, SUPERSEDED)
        self.admit(pipeline, stage)

    def _run(self, pipeline: Pipeline, execution: Execution, stage: Stage, done: set[str]) -> None:
        stage.inside = None if pipeline.parallel else execution
        stage.last = execution
        execution.stage, execution.stages[stage.name] = stage, IN_PROGRESS
        arguments = (pipeline, execution, stage, execution.turn, done)
        threading.Thread(
            target=self._work, args=arguments, name=f"stage {stage.name}", daemon=True
        ).start()

    def _work(
        self, pipeline: Pipeline, execution: Execution, stage: Stage, turn: int, done: set[str]
    ) -> None:
        outcome = FAILED
        try:
            outcome = self._outcome(pipeline, execution, stage, turn, done)
        finally:
            # whatever happens to this thread, nobody stays in the stage
            with self._actions.lock:
                self._leave(pipeline, execution, stage, turn, outcome)

    def _outcome(
        self, pipeline: Pipeline, execution: Execution, stage: Stage, turn: int, done: set[str]
    ) -> str:
        for group in _groups(execution.definition, stage.name):
            actions = [action for action in group if action["name"] not in done]
            threads = [
                self._actions.begin(pipeline, execution, stage.name, action, turn)
                for action in actions
            ]
            for thread in threads:
                if thread is not None:
                    thread.join()
            runs = [execution.latest(stage.name, action["name"]) for action in group]
            if any(run is None or run.status != SUCCEEDED for run in runs):
                return FAILED
        return SUCCEEDED

    def _leave(
        self, pipeline: Pipeline, execution: Execution, stage: Stage, turn: int, outcome: str
    ) -> None:
        if execution.turn != turn or self._actions.closing.is_set():
            return
        execution.turn += 1
        execution.stage = None
        outcome = execution.ending or outcome
        execution.stages[stage.name], execution.updated = outcome, time.time()
        if stage.inside is execution:
            stage.inside = None
        self._events.stage(pipeline, execution, stage.name, outcome)
        names = [each["name"] for each in execution.definition["stages"]]
        place = names.index(stage.name) + 1
        if outcome == SUCCEEDED and place < len(names):
            self._arrive(pipeline, execution, place)
        else:
            self._end(pipeline, execution, outcome)
        self.admit(pipeline, stage)

    def _end(self, pipeline: Pipeline, execution: Execution, status: str) -> None:
        execution.status, execution.updated = status, time.time()
        self._events.pipeline(pipeline, execution, status)


def _groups(definition: Record, stage: str) -> Iterator[Iterable[Record]]:
    """Yield the actions of a stage that run at the same time, one group after the other."""
    (declared,) = (each for each in definition["stages"] if each["name"] == stage)
    ordered = sorted(declared["actions"], key=lambda action: int(action["runOrder"]))
    for _, group in itertools.groupby(ordered, key=lambda action: int(action["runOrder"])):
        yield list(group)


def _done(execution: Execution, stage: str) -> set[str]:
    runs = {run.name: run for run in execution.runs if run.stage == stage}
    return {name for name, run in runs.items() if run.status == SUCCEEDED}
