"""Step Functions: states fail for what they fail for on AWS, and under the same names."""

import importlib
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.hooks.replace import replace
from local_account.services import step_functions
from local_account.services.state_tests import NEVER_CAUGHT

_ASL = "moto.stepfunctions.parser.asl"
_SERVICE = f"{_ASL}.component.state.exec.state_task.service"
_CHOICE = f"{_ASL}.component.state.choice.comparison"
_ERRORS = f"{_ASL}.component.common.error_name"


def install() -> None:
    """Replace what moto's interpreter fails with, and what it takes for a success."""
    replace(f"{_SERVICE}.state_task_service_lambda:StateTaskServiceLambda._from_error", _named)
    task = f"{_SERVICE}.state_task_service:StateTaskService"
    replace(f"{task}._before_eval_execution", _still_running)
    replace(f"{task}._after_eval_execution", _in_time)
    # moto allows a byte less, and counts blanks that no service sends
    quotas = "moto.stepfunctions.parser.quotas"
    replace(f"{quotas}:MAX_STATE_SIZE_UTF8_BYTES", lambda original: original + 1)
    replace(f"{quotas}:to_json_str", lambda original: partial(original, separators=(",", ":")))
    replace(f"{_CHOICE}.comparison_variable:ComparisonVariable._eval_body", _strict)
    replace(f"{_ASL}.component.state.choice.state_choice:StateChoice._eval_state", _unmatched)
    replace(f"{_ERRORS}.error_equals_decl:ErrorEqualsDecl._eval_body", _matched)


def failure_event(env: Any, error: str, cause: str, task: Any = None) -> Any:
    """Make what the interpreter raises when a task (or another state) fails."""
    api = importlib.import_module("moto.stepfunctions.parser.api")
    detail = importlib.import_module(f"{_ASL}.eval.event.event_detail")
    details = api.TaskFailedEventDetails(error=error, cause=cause)
    if task is not None:
        details["resource"] = task._get_sfn_resource()
        details["resourceType"] = task._get_sfn_resource_type()
    return importlib.import_module(f"{_ERRORS}.failure_event").FailureEvent(
        env=env,
        error_name=_error_name(error),
        event_type=api.HistoryEventType.TaskFailed,
        event_details=detail.EventDetails(taskFailedEventDetails=details),
    )


def _error_name(error: str) -> Any:
    if error.startswith("States."):
        states = importlib.import_module(f"{_ERRORS}.states_error_name")
        return states.StatesErrorName.from_name(error)
    return importlib.import_module(f"{_ERRORS}.custom_error_name").CustomErrorName(error)


def _named(original: Any) -> Any:
    """Name what an invocation fails with."""

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if type(ex).__name__ == "LambdaFunctionErrorException":
            error = step_functions.function_error_of(getattr(ex, "payload", ""))
        elif isinstance(ex, ClientError):
            error = step_functions.lambda_error_of(ex)
        elif isinstance(ex, BotoCoreError):
            error = ("Lambda.SdkClientException", str(ex))
        else:
            return original(self, env, ex)
        return failure_event(env, *error, self)

    return from_error


def _still_running(original: Any) -> Any:
    """Call nothing for an execution that was stopped in the meantime."""

    def before(self: Any, env: Any, *args: Any, **kw: Any) -> None:
        original(self, env, *args, **kw)
        if not env.is_running():
            raise TimeoutError

    return before


def _in_time(original: Any) -> Any:
    """Let no task succeed that has timed out."""

    def after(self: Any, env: Any, *args: Any, **kw: Any) -> None:
        if env.is_running():
            original(self, env, *args, **kw)

    return after


def _strict(original: Any) -> Any:
    """Fail a Choice on a missing path instead of taking its Default."""
    failure = importlib.import_module(f"{_ERRORS}.failure_event")

    def compare(self: Any, env: Any) -> None:
        self.variable.eval(env)
        found, tested = env.stack[-1], self.comparison_function.operator_type.name
        if type(found).__name__ == "NoSuchVariable" and tested != "IsPresent":
            path = self.variable.string_sampler.literal_value
            cause = f"Invalid path '{path}': The choice state's condition path references an "
            event = failure_event(env, "States.Runtime", f"{cause}invalid value.")
            raise failure.FailureEventException(event)
        self.comparison_function.eval(env)

    return compare


def _unmatched(original: Any) -> Any:
    """Fail a Choice that has no rule and no Default for its input as AWS fails it."""
    failure = importlib.import_module(f"{_ERRORS}.failure_event")

    def choose(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except RuntimeError as error:
            cause = "Failed to transition out of the state."
            event = failure_event(
                env, "States.Runtime", f"{cause} The state does not point to a next state."
            )
            raise failure.FailureEventException(event) from error

    return choose


def _matched(original: Any) -> Any:
    """Keep from retriers and catchers what no execution survives."""

    def match(self: Any, env: Any) -> None:
        error = env.stack[-1]
        if error is not None and error.error_name in NEVER_CAUGHT:
            env.stack[-1] = False
        else:
            original(self, env)

    return match
