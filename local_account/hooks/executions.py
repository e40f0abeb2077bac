"""Executions: their events, how they are started once and stopped at once, and their history."""

import importlib
import json
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from local_account.hooks.replace import replace
from local_account.services.eventbridge import EventBus
from local_account.services.step_functions import history_page, status_change

_PARSER = "moto.stepfunctions.parser"
_EVAL = f"{_PARSER}.asl.eval"
_WATCHED_SECONDS = 0.02
_LAST_EVENTS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
_STATUSES = {
    "ProgramEnded": "SUCCEEDED",
    "ProgramStopped": "ABORTED",
    "ProgramError": "FAILED",
    "ProgramTimedOut": "TIMED_OUT",
}
_history = threading.RLock()


def install(bus: EventBus) -> None:
    """Let executions begin, end and be seen as on AWS."""
    _hook_starts(bus)
    _hook_ends(bus)
    _hook_interpreter()
    _hook_answers()


def _tell(bus: EventBus, execution: Any) -> None:
    detail = status_change(execution)
    bus.put("Step Functions Execution Status Change", execution.exec_arn, detail, "aws.states")


def _hook_starts(bus: EventBus) -> None:
    starting = threading.Lock()

    def known(original: Any) -> Any:
        def initialise(self: Any, *args: Any, **kw: Any) -> None:
            original(self, *args, **kw)
            self.exec_status = _status("RUNNING")  # it can be seen before it has started

        return initialise

    def once(original: Any) -> Any:
        def start(self: Any, arn: str, name: str | None = None, *args: Any, **kw: Any) -> Any:
            name = name or str(uuid.uuid4())
            self._validate_name(name)
            with starting:  # of two requests with one name, the second finds the first's execution
                return original(self, arn, name, *args, **kw)

        return start

    def told(original: Any) -> Any:
        def start(self: Any) -> None:
            _tell(bus, self)
            original(self)

        return start

    replace(f"{_PARSER}.backend.execution:Execution.__init__", known)
    replace(f"{_PARSER}.models:StepFunctionsParserBackend.start_execution", once)
    replace(f"{_PARSER}.backend.execution:Execution.start", told)


def _hook_ends(bus: EventBus) -> None:
    def ended(original: Any) -> Any:
        def reflect(self: Any) -> None:
            execution = self.execution
            state = execution.exec_worker.env.program_state()
            ending = type(state).__name__
            if ending == "ProgramEnded":
                execution.output = execution.exec_worker.env.states.get_input()
            elif ending == "ProgramStopped":
                execution.error, execution.cause = state.error, state.cause
            elif ending == "ProgramError":
                execution.error = state.error.get("error")
                execution.cause = state.error.get("cause")
            execution.stop_date = datetime.now(UTC)
            # last: who sees that it has ended sees how, too
            execution.exec_status = _status(_STATUSES[ending])
            _tell(bus, execution)

        return reflect

    def stopped(original: Any) -> Any:
        def stop(self: Any, stop_date: Any, error: str | None, cause: str | None) -> None:
            while self.status == "RUNNING":
                if self.exec_worker and self.exec_worker.env:
                    self.exec_worker.env.set_stop(stop_date=stop_date, error=error, cause=cause)
                time.sleep(_WATCHED_SECONDS / 2)

        return stop

    communication = "BaseExecutionWorkerCommunication._reflect_execution_status"
    replace(f"{_PARSER}.backend.execution:{communication}", ended)
    replace(f"{_PARSER}.backend.execution:Execution.stop", stopped)


def _status(name: str) -> Any:
    return importlib.import_module(f"{_PARSER}.api").ExecutionStatus[name]


def _hook_interpreter() -> None:
    """End an execution at once, whatever its interpreter waits for; what comes late is nothing."""
    replace(f"{_PARSER}.asl.component.program.program:Program.eval", _watched)
    for method in ("set_error", "set_timed_out"):
        replace(f"{_EVAL}.environment:Environment.{method}", _only_while_running)
    replace(f"{_EVAL}.event.event_manager:EventManager.add_event", _until_the_last)
    worker = f"{_PARSER}.backend.execution_worker:ExecutionWorker"
    replace(f"{worker}._get_evaluation_environment", _dated)


def _dated(original: Any) -> Any:
    def environment(self: Any) -> Any:
        env = original(self)
        env.event_manager.begun = self._evaluation_details.execution_details.start_time
        return env

    return environment


def _watched(original: Any) -> Any:
    component = importlib.import_module(f"{_PARSER}.asl.component.eval_component")
    states = component.EvalComponent.eval

    def evaluate(self: Any, env: Any) -> None:
        limit = self.timeout_seconds.timeout_seconds if self.timeout_seconds else float("inf")
        deadline = time.monotonic() + limit
        env.next_state_name = self.start_at.start_at_name
        worker = threading.Thread(target=states, args=(self, env), daemon=True)
        worker.start()
        while worker.is_alive() and not _is_cut_short(env):
            worker.join(_WATCHED_SECONDS)
            if time.monotonic() > deadline:
                env.set_timed_out()
        if _is_cut_short(env) and not env.is_frame():
            _close_history(env)

    return evaluate


def _only_while_running(original: Any) -> Any:
    def end(self: Any, *args: Any, **kw: Any) -> None:
        with self._state_mutex:
            if self.is_running():
                original(self, *args, **kw)

    return end


def _until_the_last(original: Any) -> Any:
    def add_event(self: Any, *args: Any, **kw: Any) -> Any:
        with _history:
            last = self._history_event_list[-1:]
            if last and last[0]["type"] in _LAST_EVENTS:
                return last[0]["id"]
            if not last:  # dated as the execution: the definition was read in between
                kw["timestamp"] = self.begun
            return original(self, *args, **kw)

    return add_event


def _is_cut_short(env: Any) -> bool:
    return type(env._program_state).__name__ in ("ProgramStopped", "ProgramTimedOut")


def _close_history(env: Any) -> None:
    """Add the last event of an execution that was stopped or took too long."""
    api = importlib.import_module(f"{_PARSER}.api")
    state = env.program_state()
    if type(state).__name__ == "ProgramStopped":
        env.event_history_context.source_event_id = 0
        kind = api.HistoryEventType.ExecutionAborted
        details = {"executionAbortedEventDetails": {"error": state.error, "cause": state.cause}}
    else:
        kind = api.HistoryEventType.ExecutionTimedOut
        details = {"executionTimedOutEventDetails": {}}
    env.event_manager.add_event(
        context=env.event_history_context, event_type=kind, event_details=details
    )


def _hook_answers() -> None:
    """Answer with members that moto leaves out, or takes no notice of."""
    responses = "moto.stepfunctions.responses:StepFunctionResponse"
    replace(f"{responses}.describe_execution", _described)
    replace(f"{responses}.list_executions", _listed)
    replace(f"{responses}.stop_execution", _stopped)
    replace(f"{responses}.get_execution_history", _paged)


def _execution(response: Any, arn: str | None = None) -> Any:
    name = arn or response._get_param("executionArn")
    return response.stepfunction_backend.describe_execution(name)


def _add_stop_date(response: Any, description: dict[str, Any]) -> None:
    if description["status"] != "RUNNING":
        execution = _execution(response, description["executionArn"])
        description["stopDate"] = execution.stop_date


def _described(original: Any) -> Any:
    def describe(self: Any) -> Any:
        answer = original(self)
        _add_stop_date(self, answer.result)
        return answer

    return describe


def _listed(original: Any) -> Any:
    def list_executions(self: Any) -> Any:
        answer = original(self)
        for execution in answer.result["executions"]:
            _add_stop_date(self, execution)
        return answer

    return list_executions


def _stopped(original: Any) -> Any:
    from moto.core.responses import ActionResult

    def stop(self: Any) -> Any:
        execution = _execution(self)
        error, cause = self._get_param("error"), self._get_param("cause")
        execution.stop(datetime.now(UTC), error, cause)
        return ActionResult({"stopDate": execution.stop_date})

    return stop


def _paged(original: Any) -> Any:
    from moto.core.responses import ActionResult
    from moto.stepfunctions.exceptions import InvalidToken

    def history(self: Any) -> Any:
        execution = _execution(self)
        started = execution.exec_worker and execution.exec_worker.env
        events = started.event_manager.get_event_history() if started else []
        try:
            return ActionResult(history_page(events, json.loads(self.body)))
        except ValueError as error:
            raise InvalidToken(str(error)) from error

    return history
