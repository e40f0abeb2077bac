"""Lambda: a function has the rights of its role, to run, to write its log, to send dead letters."""

from collections.abc import Mapping
from typing import Any

from local_account.service import Account, ServiceError
from local_account.services.lambda_destinations import SERVICE
from local_account.services.lambda_worker import Function

# "Defined runtime environment variables", docs.aws.amazon.com/lambda/latest/dg/
# configuration-envvars.html#configuration-envvars-runtime
_RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_SENDS = {"sqs": ("sqs:SendMessage", "SQS"), "sns": ("sns:Publish", "SNS")}


def write_log(account: Account, function: Function, stream: str, lines: list[str]) -> None:
    """Append lines to a log stream of a function; one whose role may not write runs without."""
    from moto.core.utils import unix_time_millis
    from moto.logs.models import logs_backends

    backend, group = logs_backends[account.account_id][account.region], function.log_group
    arn = account.arn("logs", f"log-group:{group}")

    def may(action: str, resource: str) -> None:
        account.identities.require(function.role, f"logs:{action}", resource, SERVICE)

    try:
        if group not in backend.groups:
            may("CreateLogGroup", arn)
            backend.ensure_log_group(group)
        if stream not in backend.groups[group].streams:
            may("CreateLogStream", f"{arn}:log-stream:{stream}")
            backend.create_log_stream(group, stream)
        may("PutLogEvents", f"{arn}:log-stream:{stream}")
    except ServiceError:
        return
    now = int(unix_time_millis())
    backend.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in lines])


def check(account: Account, function: Any, settings: Mapping[str, Any]) -> None:
    """Refuse settings of a function (one of moto's) that Lambda refuses for its role's sake."""
    _refuse_reserved(settings.get("Environment", {}).get("Variables", {}))
    if "Role" in settings:
        _check_role(account, function, settings["Role"])
    check_dead_letters(account, {"Role": function.role, **settings})


def check_dead_letters(account: Account, settings: Mapping[str, Any]) -> None:
    """Refuse a dead-letter target that the role of the settings may not send to."""
    from moto.awslambda.exceptions import InvalidParameterValueException

    target_arn = settings.get("DeadLetterConfig", {}).get("TargetArn")
    if not target_arn:
        return
    action, service = _SENDS[target_arn.split(":")[2]]
    try:
        account.identities.require(settings["Role"], action, target_arn, SERVICE)
    except ServiceError as error:
        call = f"{action.partition(':')[2]} on {service}"
        message = f"The provided execution role does not have permissions to call {call}"
        raise InvalidParameterValueException(message) from error


def _refuse_reserved(variables: Mapping[str, str]) -> None:
    from moto.awslambda.exceptions import InvalidParameterValueException

    if reserved := sorted(_RESERVED & variables.keys()):
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )


def _check_role(account: Account, function: Any, role: str) -> None:
    from moto.awslambda.exceptions import InvalidParameterValueException

    try:
        account.identities.of_role(role, SERVICE, function.function_name, function.function_arn)
    except ServiceError as error:
        message = "The role defined for the function cannot be assumed by Lambda."
        raise InvalidParameterValueException(message) from error
