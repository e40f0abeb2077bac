"""Lambda: what moto knows of functions, and what it does not keep of their settings."""

import hashlib
from functools import lru_cache
from typing import Any

from local_account.hooks import function_limits, function_roles
from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.lambda_runtime import LambdaRuntime
from local_account.services.lambda_worker import EventSettings, Function


@lru_cache(maxsize=64)
def _digest(code: bytes) -> str:
    """Hash an archive of megabytes once, not at each invocation."""
    return hashlib.sha256(code).hexdigest()


def function_of(function: Any, latest: Any) -> Function:
    """Return what an invocation needs to know of a version of a function (both moto's)."""
    on_event = latest.event_invoke_config[-1].config if latest.event_invoke_config else {}
    reserved = latest.reserved_concurrency
    return Function(
        arn=function.function_arn,
        name=function.function_name,
        version=str(function.version),
        handler=function.handler,
        role=function.role,
        code=function.code_bytes,
        code_sha256=_digest(function.code_bytes),
        environment=tuple(sorted((function.environment_vars or {}).items())),
        memory_mb=int(function.memory_size),
        timeout_seconds=int(function.timeout),
        log_group=function.logs_group_name,
        event=EventSettings(
            retries=on_event.get("MaximumRetryAttempts", 2),
            max_age_seconds=on_event.get("MaximumEventAgeInSeconds", 21_600),
            on_success=_destination(on_event, "OnSuccess"),
            on_failure=_destination(on_event, "OnFailure"),
            dead_letter_arn=function.dead_letter_arn,
        ),
        concurrency=None if reserved is None else int(reserved),
    )


def _destination(settings: dict[str, Any], outcome: str) -> str:
    configured = settings.get("DestinationConfig", {}).get(outcome) or {}
    return str(configured.get("Destination") or "")


def install(account: Account, runtime: LambdaRuntime) -> None:
    """Refuse what Lambda refuses, and keep what it keeps."""

    def deleted(original: Any) -> Any:
        def delete(self: Any, function_name: str, qualifier: str | None = None) -> None:
            arn = self.get_function(function_name, qualifier).function_arn
            original(self, function_name, qualifier)
            runtime.retire(arn)

        return delete

    def created(original: Any) -> Any:
        def initialise(self: Any, *args: Any, spec: dict[str, Any], **kw: Any) -> None:
            function_limits.check("CreateFunction", spec)
            original(self, *args, spec=spec, **kw)
            function_roles.check(account, self, spec)
            _note(self, {"DeadLetterConfig": {}, **spec})

        return initialise

    def updated(original: Any) -> Any:
        def update(self: Any, settings: dict[str, Any]) -> Any:
            named = {"FunctionName": self.function_name, **settings}
            function_limits.check("UpdateFunctionConfiguration", named)
            function_roles.check(account, self, settings)
            _note(self, settings)
            return original(self, settings)

        return update

    def described(original: Any) -> Any:
        def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
            logging = {"LogFormat": "Text", "LogGroup": self.logs_group_name}
            return {**original(self, on_create), "LoggingConfig": logging}

        return get_configuration

    backend = "moto.awslambda.models:LambdaBackend"
    replace(f"{backend}.put_function_event_invoke_config", _put_event_settings)
    replace("moto.awslambda.models:LambdaBackend.delete_function", deleted)
    replace("moto.awslambda.models:LambdaFunction.get_configuration", described)
    replace("moto.awslambda.models:LambdaFunction.__init__", created)
    replace("moto.awslambda.models:LambdaFunction.update_configuration", updated)


def _put_event_settings(original: Any) -> Any:
    """Put settings in the place of the former ones: moto keeps both, and answers the first."""

    def put(self: Any, function_name: str, config: dict[str, Any]) -> Any:
        self.get_function(function_name).event_invoke_config.clear()
        return original(self, function_name, config)

    return put


def _note(function: Any, settings: dict[str, Any]) -> None:
    """Keep the settings that moto does not."""
    if "DeadLetterConfig" in settings:
        function.dead_letter_arn = settings["DeadLetterConfig"].get("TargetArn", "")
    if "LoggingConfig" in settings:
        default = f"/aws/lambda/{function.function_name}"
        function.logs_group_name = settings["LoggingConfig"].get("LogGroup", default)
    if "TracingConfig" in settings:
        function.tracing_config = settings["TracingConfig"]
