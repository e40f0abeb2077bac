"""Executions: how they are started, stopped and redriven, what they tell, what is seen of them."""

import importlib
import json
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from local_account.hooks import interpreter, redrives
from local_account.hooks.execution_logs import log_of
from local_account.hooks.replace import add, replace
from local_account.service import Account, ServiceError
from local_account.services import executions
from local_account.services.eventbridge import EventBus

_PARSER = "moto.stepfunctions.parser"
_RESPONSES = "moto.stepfunctions.responses:StepFunctionResponse"
_STATUSES = {
    "ProgramEnded": "SUCCEEDED",
    "ProgramStopped": "ABORTED",
    "ProgramError": "FAILED",
    "ProgramTimedOut": "TIMED_OUT",
}


def install(account: Account, bus: EventBus) -> None:
    """Let executions begin, end and be seen as on AWS."""
    _hook_starts(account, bus)
    _hook_ends(bus)
    interpreter.install()
    replace(f"{_RESPONSES}.describe_execution", lambda original: _describe)
    replace(f"{_RESPONSES}.list_executions", lambda original: _list)
    replace(f"{_RESPONSES}.stop_execution", lambda original: _stop)
    replace(f"{_RESPONSES}.get_execution_history", lambda original: _read_history)
    add(f"{_RESPONSES}.redrive_execution", lambda self: _redrive(self, bus))


def _tell(bus: EventBus, execution: Any) -> None:
    detail = executions.status_change(execution)
    bus.put("Step Functions Execution Status Change", execution.exec_arn, detail, "aws.states")


def _hook_starts(account: Account, bus: EventBus) -> None:
    starting = threading.Lock()

    def known(original: Any) -> Any:
        def initialise(self: Any, *args: Any, **kw: Any) -> None:
            original(self, *args, **kw)
            self.exec_status = _status("RUNNING")  # it can be seen before it has started
            self.redrives = []
            self._cloud_watch_logging_session = log_of(account, self)

        return initialise

    def once(original: Any) -> Any:
        def start(self: Any, arn: str, name: str | None = None, *args: Any, **kw: Any) -> Any:
            name = name or str(uuid.uuid4())
            self._validate_name(name)
            _require_json(kw.get("execution_input") or next(iter(args), None) or "{}")
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


def _require_json(given: str) -> None:
    try:
        json.loads(given)
    except ValueError as error:
        message = f"Invalid State Machine Execution Input: '{error}'"
        raise ServiceError("InvalidExecutionInput", message) from error


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
                time.sleep(interpreter.WATCHED_SECONDS / 2)

        return stop

    communication = "BaseExecutionWorkerCommunication._reflect_execution_status"
    replace(f"{_PARSER}.backend.execution:{communication}", ended)
    replace(f"{_PARSER}.backend.execution:Execution.stop", stopped)


def _status(name: str) -> Any:
    return importlib.import_module(f"{_PARSER}.api").ExecutionStatus[name]


def _answer(members: dict[str, Any]) -> Any:
    from moto.core.responses import ActionResult

    return ActionResult(members)


def _execution(response: Any) -> Any:
    arn = response._get_param("executionArn")
    return response.stepfunction_backend.describe_execution(arn)


def _describe(self: Any) -> Any:
    with_data = self._get_param("includedData") != "METADATA_ONLY"
    return _answer(executions.description(_execution(self), with_data=with_data))


def _list(self: Any) -> Any:
    for name in ("mapRunArn", "redriveFilter"):
        if self._get_param(name):
            message = f"The embedded account does not model {name} of ListExecutions."
            raise ServiceError("UnsupportedOperation", message, 501)
    found, token = self.stepfunction_backend.list_executions(
        self._get_param("stateMachineArn"),
        status_filter=self._get_param("statusFilter"),
        max_results=self._get_int_param("maxResults") or None,
        next_token=self._get_param("nextToken"),
    )
    listed = [executions.listing(execution) for execution in found]
    return _answer({"executions": listed, "nextToken": token})


def _stop(self: Any) -> Any:
    execution = _execution(self)
    execution.stop(datetime.now(UTC), self._get_param("error"), self._get_param("cause"))
    return _answer({"stopDate": execution.stop_date})


def _read_history(self: Any) -> Any:
    from moto.stepfunctions.exceptions import InvalidToken

    events = executions.history_of(_execution(self))
    try:
        return _answer(executions.history_page(events, json.loads(self.body)))
    except ValueError as error:
        raise InvalidToken(str(error)) from error


def _redrive(self: Any, bus: EventBus) -> Any:
    execution = _execution(self)
    if redrives.redrive(execution, self._get_param("clientToken"), _status("RUNNING")):
        _tell(bus, execution)
        execution.exec_worker.start()
    return _answer({"redriveDate": execution.redrives[-1]})
