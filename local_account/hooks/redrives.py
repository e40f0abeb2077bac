"""Executions that are redriven: they go on where they failed, and so does their history."""

import importlib
import threading
from datetime import UTC, datetime
from typing import Any

from local_account.service import ServiceError
from local_account.services.executions import Resumption, redrive_status, resumption

_PARSER = "moto.stepfunctions.parser"
_redriving = threading.Lock()


def redrive(execution: Any, token: str | None, running: Any) -> bool:
    """Make an unsuccessful execution ready to go on; False if this request did so before.

    Raises
    ------
    ServiceError
        If it cannot be redriven.
    """
    with _redriving:
        if token and token == getattr(execution, "redrive_token", None):
            return False
        _, reason = redrive_status(execution)
        if reason:
            raise ServiceError("ExecutionNotRedrivable", f"{reason}.")
        try:
            resumed = resumption(execution)
        except ValueError as error:
            raise ServiceError("UnsupportedOperation", str(error), 501) from error
        execution.redrive_token = token
        execution.redrives.append(datetime.now(UTC))
        execution.exec_worker = _worker(execution, resumed)
        execution.error = execution.cause = execution.stop_date = None
        execution.exec_status = running
        return True


def _worker(execution: Any, resumed: Resumption) -> Any:
    base: Any = importlib.import_module(f"{_PARSER}.backend.execution_worker").ExecutionWorker
    manager = importlib.import_module(f"{_PARSER}.asl.eval.event.event_manager")
    former = execution.exec_worker.env.event_manager
    count, moment = len(execution.redrives), execution.redrives[-1]

    class ResumedWorker(base):
        def _execution_logic(self) -> None:
            program = self._get_evaluation_entrypoint()
            self.env = env = self._environment()
            env.event_manager.add_event(
                context=env.event_history_context,
                event_type="ExecutionRedriven",
                event_details={"executionRedrivenEventDetails": {"redriveCount": count}},
            )
            program.eval(env)
            self._execution_communication.terminated()

        def _environment(self) -> Any:
            env = self._get_evaluation_environment()
            # what the former threads still say goes to the former manager
            events = env.event_manager
            events._history_event_list = [
                event
                for event in former.get_event_history()
                if event["id"] <= resumed.last_event_id
            ]
            events._event_id_gen._next_id = resumed.last_event_id + 1
            events.is_resumed = True
            env.event_history_context = manager.EventHistoryContext(resumed.last_event_id)
            env.states.reset(resumed.given)
            context = env.states.context_object.context_object_data["Execution"]
            context.update(RedriveCount=count, RedriveTime=moment.isoformat())
            env.resumed_at = resumed.state
            return env

    first: Any = execution._get_start_execution_worker()
    return ResumedWorker(
        evaluation_details=first._evaluation_details,
        exec_comm=first._execution_communication,
        cloud_watch_logging_session=first._cloud_watch_logging_session,
        activity_store=first._activity_store,
    )
