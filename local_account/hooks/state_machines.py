"""Step Functions: state machines that execute, and the `sagemaker` integrations."""

import importlib
from typing import Any

from botocore.exceptions import ClientError

from local_account.hooks.replace import REPLACED, replace
from local_account.hooks.task_callers import caller
from local_account.hooks.task_errors import failure_event
from local_account.service import Account
from local_account.services import step_functions

_ASL = "moto.stepfunctions.parser.asl"
_TASKS = f"{_ASL}.component.state.exec.state_task"


def _sagemaker_task(account: Account) -> type:
    """Make the interpreter's class for `arn:aws:states:::sagemaker:*` resources."""
    resource = importlib.import_module(f"{_TASKS}.service.resource")
    callback = importlib.import_module(f"{_TASKS}.service.state_task_service_callback")
    base: Any = callback.StateTaskServiceCallback
    condition = resource.ResourceCondition

    class SageMakerTask(base):
        def __init__(self) -> None:
            # the interpreter ends every callback endpoint, so it must have one
            super().__init__({condition.Sync, condition.WaitForTaskToken})

        def _get_supported_parameters(self) -> set[str] | None:
            action = self.resource.api_action
            if action not in step_functions.ACTIONS:
                return None
            return step_functions.parameters_of(action)

        def _normalise_parameters(self, parameters: Any, *_: Any, **__: Any) -> None:
            """Parameters have the service's own names already."""

        def _eval_service_task(
            self, env: Any, normalised_parameters: Any, state_credentials: Any, **_: Any
        ) -> None:
            client = caller(state_credentials).client(account, "sagemaker")
            waits = self.resource.condition == condition.Sync
            given = step_functions.marked(normalised_parameters) if waits else normalised_parameters
            env.stack.append(step_functions.call(client, self.resource.api_action, given))

        def _build_sync_resolver(
            self, env: Any, normalised_parameters: Any, state_credentials: Any, **_: Any
        ) -> step_functions.AwaitedJob:
            env.stack.pop()
            client = caller(state_credentials).client(account, "sagemaker")
            action = self.resource.api_action
            return step_functions.AwaitedJob(client, action, normalised_parameters)

        def _eval_sync(
            self, env: Any, sync_resolver: step_functions.AwaitedJob, **rest: Any
        ) -> Any:
            outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **rest)
            if not isinstance(outcome, dict):  # the execution was stopped, or the task is late
                sync_resolver.abandon()
            return outcome

        def _from_error(self, env: Any, ex: Exception) -> Any:
            if isinstance(ex, step_functions.JobFailed):
                return failure_event(env, "States.TaskFailed", ex.cause, self)
            if isinstance(ex, ClientError):
                return failure_event(env, *step_functions.error_of(ex), self)
            return super()._from_error(env=env, ex=ex)

    return SageMakerTask


def install(account: Account) -> None:
    """Execute state machines, however they were created."""
    from moto.core.config import default_user_config
    from moto.stepfunctions.models import StateMachine, stepfunctions_backends
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    parser_models: Any = importlib.import_module("moto.stepfunctions.parser.models")
    # one store of state machines, of which executions really execute
    REPLACED["moto.stepfunctions.models:stepfunctions_backends.backend"] = StateMachine
    stepfunctions_backends.backend = type(
        "ExecutingBackend",
        (StepFunctionsParserBackend,),
        {"__module__": "moto.stepfunctions.models"},  # where moto looks for the service's urls
    )
    parser_models.stepfunctions_parser_backends = stepfunctions_backends

    task_class = _sagemaker_task(account)
    for module in (f"{_TASKS}.service.state_task_service_factory", f"{_TASKS}.state_task_factory"):
        replace(
            f"{module}:state_task_service_for",
            lambda original: (
                lambda service_name: (
                    task_class() if service_name == "sagemaker" else original(service_name)
                )
            ),
        )
    replace(
        f"{_TASKS}.service.state_task_service_callback:_DELAY_SECONDS_SYNC_CONDITION_CHECK",
        lambda original: 0.1,
    )
