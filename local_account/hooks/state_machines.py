"""Step Functions: state machines that execute, and the `sagemaker` integrations."""

import importlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_account.hooks.replace import REPLACED, extend_resource, replace
from local_account.hooks.task_errors import failure_event
from local_account.service import Account
from local_account.services import cloudformation, step_functions

_ASL = "moto.stepfunctions.parser.asl"
_TASKS = f"{_ASL}.component.state.exec.state_task"


class _AccountClients:
    """Stands for boto3 in the interpreter: the clients it makes are the account's own."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def client(self, service_name: str, **_: Any) -> Any:
        return self._account.client(service_name, retries=False)


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
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **_: Any
        ) -> None:
            action = self.resource.api_action
            env.stack.append(step_functions.call(account, action, normalised_parameters))

        def _build_sync_resolver(
            self, env: Any, normalised_parameters: dict[str, Any], **_: Any
        ) -> Callable[[], Any]:
            env.stack.pop()
            action = self.resource.api_action
            return lambda: step_functions.poll(account, action, normalised_parameters)

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

    def complete_definition(properties: dict[str, Any]) -> None:
        definition = cloudformation.state_machine_definition(account, properties)
        properties["DefinitionString"] = definition

    extend_resource("moto.stepfunctions.models:StateMachine", before=complete_definition)

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
    replace(f"{_ASL}.utils.boto_client:boto3", lambda original: _AccountClients(account))
    replace(
        f"{_TASKS}.service.state_task_service_callback:_DELAY_SECONDS_SYNC_CONDITION_CHECK",
        lambda original: 0.1,
    )
