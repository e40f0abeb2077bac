"""TestState: one state in moto's interpreter, with the service's answer or the one given."""

import importlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from local_account.hooks.definitions import objections
from local_account.hooks.replace import add, replace
from local_account.hooks.task_errors import failure_event
from local_account.service import Account, ServiceError
from local_account.services.definitions import refusal
from local_account.services.state_tests import Ending, StateTest, answer, state_test

_PARSER = "moto.stepfunctions.parser"
_RESPONSES = "moto.stepfunctions.responses:StepFunctionResponse"
_MOCKS = f"{_PARSER}.asl.component.state.exec.state_task.mock_eval_utils"
_TESTED = "TestState"  # what moto calls the state


def install(account: Account) -> None:
    """Test states as the API does."""
    add(f"{_RESPONSES}.test_state", lambda self: _test(account, self))
    # moto takes no names of States.* for an error that a task can have
    replace(f"{_MOCKS}:_eval_mocked_response_throw", lambda original: _throw)


def _throw(env: Any, mocked_response: Any) -> None:
    names = f"{_PARSER}.asl.component.common.error_name.failure_event"
    event = failure_event(env, mocked_response.error, mocked_response.cause)
    raise importlib.import_module(names).FailureEventException(event)


def _test(account: Account, response: Any) -> Any:
    from moto.core.responses import ActionResult

    params = json.loads(response.body)
    test = state_test(params)
    asl = importlib.import_module(f"{_PARSER}.asl.parse.test_state.asl_parser")
    parser = asl.TestStateAmazonStateLanguageParser
    if problems := objections(parser, json.dumps(test.state)):
        raise ServiceError("InvalidDefinition", refusal(problems))
    env = _evaluated(account, test)
    result, details = answer(test, _ending(env))
    if params.get("inspectionLevel", "INFO") != "INFO":
        inspected = {**env.inspection_data, **({"errorDetails": details} if details else {})}
        result["inspectionData"] = inspected
    return ActionResult(result)


def _evaluated(account: Account, test: StateTest) -> Any:
    """Run the state to its end and return moto's environment of it."""
    details = importlib.import_module(f"{_PARSER}.asl.eval.evaluation_details")
    base: Any = importlib.import_module(f"{_PARSER}.backend.test_state.execution_worker")

    class Worker(base.TestStateExecutionWorker):
        def _get_evaluation_environment(self) -> Any:
            env = super()._get_evaluation_environment()
            env.mock_test_case = _mocked(test)
            env.states.context_object.context_object_data.update(test.context)
            return env

        def terminated(self) -> None:
            """Tell nobody: this is no execution."""

    name = f"TestState-{uuid.uuid4()}"
    arn = account.arn("states", f"stateMachine:{name}")
    # what would be retried is an answer of its own, see services.state_tests
    state = {field: value for field, value in test.state.items() if field != "Retry"}
    worker = Worker(
        evaluation_details=details.EvaluationDetails(
            details.AWSExecutionDetails(account.account_id, account.region, test.role_arn),
            details.ExecutionDetails(
                account.arn("states", f"execution:{name}:{name}"),
                name,
                test.role_arn,
                test.given,
                datetime.now(UTC),
            ),
            details.StateMachineDetails(arn, name, "STANDARD", json.dumps(state)),
        ),
        exec_comm=None,
        cloud_watch_logging_session=None,
        activity_store={},
    )
    worker._execution_communication = worker
    worker.start()
    return worker.env


def _mocked(test: StateTest) -> Any:
    mocks = importlib.import_module(f"{_PARSER}.mocking.mock_config")
    if not test.mock:
        return None
    if "result" in test.mock:
        mocked = mocks.MockedResponseReturn(0, 0, json.loads(test.mock["result"]))
    else:
        error = test.mock["errorOutput"]
        mocked = mocks.MockedResponseThrow(0, 0, error.get("error"), error.get("cause", ""))
    responses = mocks.StateMockedResponses(_TESTED, "mock", [mocked])
    return mocks.MockTestCase("TestState", "mock", [responses])


def _ending(env: Any) -> Ending:
    state = env.program_state()
    kind = type(state).__name__
    error, cause = _failure(env)
    if kind == "ProgramError":
        error, cause = state.error.get("error"), state.error.get("cause")
    following = getattr(state, "next_state_name", None)
    return Ending(
        succeeded=kind != "ProgramError",
        output=json.dumps(env.states.get_input(), separators=(",", ":")),
        next_state=following if following != _TESTED else None,
        error=error,
        cause=cause,
    )


def _failure(env: Any) -> tuple[str | None, str | None]:
    """Return the error of the state's task, which a catcher may have caught."""
    for event in env.event_manager.get_event_history():
        for details in event.values():
            if isinstance(details, dict) and "error" in details:
                return details["error"], details.get("cause")
    return None, None
