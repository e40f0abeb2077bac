"""Step Functions: an execution ends at once and once, whatever its interpreter waits for."""

import importlib
import threading
import time
from typing import Any

from local_account.hooks.replace import replace
from local_account.services.executions import MAX_EVENTS, cut

_PARSER = "moto.stepfunctions.parser"
_EVAL = f"{_PARSER}.asl.eval"
WATCHED_SECONDS = 0.02
_LAST_EVENTS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
_FULL = f"The execution reached the maximum number of history events ({MAX_EVENTS})."
_history = threading.RLock()


def install() -> None:
    """Watch the interpreter's threads; what comes late is nothing."""
    replace(f"{_PARSER}.asl.component.program.program:Program.eval", _watched)
    replace(f"{_EVAL}.environment:Environment.set_error", _once_and_cut)
    replace(f"{_EVAL}.environment:Environment.set_timed_out", _once)
    replace(f"{_EVAL}.event.event_manager:EventManager.add_event", _until_the_last)
    worker = f"{_PARSER}.backend.execution_worker:ExecutionWorker"
    replace(f"{worker}._get_evaluation_environment", _dated)


def _dated(original: Any) -> Any:
    def environment(self: Any) -> Any:
        env = original(self)
        env.event_manager.begun = self._evaluation_details.execution_details.start_time
        env.states.context_object.context_object_data["Execution"]["RedriveCount"] = 0
        return env

    return environment


def _watched(original: Any) -> Any:
    component = importlib.import_module(f"{_PARSER}.asl.component.eval_component")
    states = component.EvalComponent.eval

    def evaluate(self: Any, env: Any) -> None:
        limit = self.timeout_seconds.timeout_seconds if self.timeout_seconds else float("inf")
        deadline = time.monotonic() + limit
        env.next_state_name = getattr(env, "resumed_at", self.start_at.start_at_name)
        worker = threading.Thread(target=states, args=(self, env), daemon=True)
        worker.start()
        while worker.is_alive() and not _is_cut_short(env):
            worker.join(WATCHED_SECONDS)
            if time.monotonic() > deadline:
                env.set_timed_out()
            elif len(env.event_manager._history_event_list) >= MAX_EVENTS - 1:
                _fail_full(env)
        if _is_cut_short(env) and not env.is_frame():
            _close_history(env)

    return evaluate


def _fail_full(env: Any) -> None:
    """Fail an execution that has no room for another event but its last."""
    with env._state_mutex:
        if env.is_running():
            env.is_full = True
            env.set_error(error={"error": "States.Runtime", "cause": _FULL})


def _once(original: Any) -> Any:
    def end(self: Any) -> None:
        with self._state_mutex:
            if self.is_running():
                original(self)

    return end


def _once_and_cut(original: Any) -> Any:
    def end(self: Any, error: dict[str, Any]) -> None:
        with self._state_mutex:
            if self.is_running():
                cut(error)
                original(self, error=error)

    return end


def _until_the_last(original: Any) -> Any:
    def add_event(self: Any, *args: Any, **kw: Any) -> Any:
        with _history:
            events = self._history_event_list
            if events and (_is_over(events, kw) or _is_too_many(events, kw)):
                return events[-1]["id"]
            if _is_entered_already(self, kw):
                return events[-1]["id"]
            if not events:  # dated as the execution: the definition was read in between
                kw["timestamp"] = getattr(self, "begun", None)
            for details in (kw.get("event_details") or {}).values():
                cut(details)
            return original(self, *args, **kw)

    return add_event


def _is_over(events: list[Any], event: dict[str, Any]) -> bool:
    return events[-1]["type"] in _LAST_EVENTS and event["event_type"] != "ExecutionRedriven"


def _is_too_many(events: list[Any], event: dict[str, Any]) -> bool:
    return len(events) >= MAX_EVENTS - 1 and event["event_type"] not in _LAST_EVENTS


def _is_entered_already(events: Any, event: dict[str, Any]) -> bool:
    """Tell whether a redriven execution is in a state already: only Fail is entered again."""
    kind = event["event_type"]
    if not getattr(events, "is_resumed", False) or not kind.endswith("StateEntered"):
        return False
    events.is_resumed = False
    return str.__ne__(kind, "FailStateEntered")


def _is_cut_short(env: Any) -> bool:
    ending = type(env._program_state).__name__
    return ending in ("ProgramStopped", "ProgramTimedOut") or getattr(env, "is_full", False)


def _close_history(env: Any) -> None:
    """Add the last event of an execution that was stopped or took too long."""
    api = importlib.import_module(f"{_PARSER}.api")
    state = env.program_state()
    if type(state).__name__ == "ProgramStopped":
        env.event_history_context.source_event_id = 0
        kind = api.HistoryEventType.ExecutionAborted
        details = {"executionAbortedEventDetails": {"error": state.error, "cause": state.cause}}
    elif type(state).__name__ == "ProgramError":
        kind = api.HistoryEventType.ExecutionFailed
        details = {"executionFailedEventDetails": dict(state.error)}
    else:
        kind = api.HistoryEventType.ExecutionTimedOut
        details = {"executionTimedOutEventDetails": {}}
    env.event_manager.add_event(
        context=env.event_history_context, event_type=kind, event_details=details
    )
