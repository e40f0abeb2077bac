"""Step Functions: tasks call with the rights of their state machine's role."""

from typing import Any

from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.integrations import SDK_SERVICES
from local_account.services.step_functions import Caller, SdkClient

_PARSER = "moto.stepfunctions.parser.asl.component.state.exec"
_TASKS = f"{_PARSER}.state_task"
# every module of the interpreter that makes clients, which has the name from the same import
_CALLING = (
    f"{_PARSER}.state_map.item_reader.eval.resource_eval_s3",
    f"{_PARSER}.state_map.result_writer.resource_eval.resource_eval_s3",
    f"{_TASKS}.lambda_eval_utils",
    *(
        f"{_TASKS}.service.state_task_service_{service}"
        for service in (
            *("batch", "dynamodb", "ecs", "events", "glue", "sfn", "sns", "sqs"),
            "unsupported",
        )
    ),
)


def install(account: Account) -> None:
    """Make the interpreter's clients those of the role that its execution has."""

    def of_the_caller(original: Any) -> Any:
        def client_for(region: str, service: str, state_credentials: Any) -> Any:
            return caller(state_credentials).client(account, service)

        return client_for

    for module in _CALLING:
        replace(f"{module}:boto_client_for", of_the_caller)
    replace(f"{_TASKS}.service.state_task_service_aws_sdk:boto_client_for", _in_json(of_the_caller))
    names = "state_task_service:StateTaskService._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES"
    replace(f"{_TASKS}.service.{names}", lambda original: original | SDK_SERVICES)
    replace(f"{_TASKS}.state_task:StateTask._eval_state_credentials", _of_the_machine)


def caller(state_credentials: Any) -> Caller:
    """Return who the interpreter's credentials stand for."""
    machine_arn = getattr(state_credentials, "machine_arn", "")
    return Caller(state_credentials.role_arn, machine_arn)


def _in_json(replacement: Any) -> Any:
    """Let `aws-sdk` tasks have what a service answers as a state can hold it."""

    def told(original: Any) -> Any:
        client_for = replacement(original)
        return lambda **asked: SdkClient(client_for(**asked))

    return told


def _of_the_machine(original: Any) -> Any:
    """Note for which state machine a task calls."""

    def credentials(self: Any, env: Any) -> Any:
        taken = original(self, env)
        context = env.states.context_object.context_object_data
        taken.machine_arn = context["StateMachine"]["Id"]
        return taken

    return credentials
