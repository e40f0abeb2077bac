"""Lambda: invocations run the function's own code; CloudWatch Logs: lines from anywhere."""

import hashlib
from functools import lru_cache
from typing import Any

from local_account.hooks.replace import extend_resource, replace
from local_account.service import Account
from local_account.services.lambda_runtime import LambdaRuntime
from local_account.services.lambda_worker import Function


def write_log(account: Account, group: str, stream: str, lines: list[str]) -> None:
    """Append lines to a log stream, which is made when it does not exist."""
    from moto.core.utils import unix_time_millis
    from moto.logs.models import logs_backends

    backend = logs_backends[account.account_id][account.region]
    backend.ensure_log_group(group)
    if stream not in backend.groups[group].streams:
        backend.create_log_stream(group, stream)
    now = int(unix_time_millis())
    events = [{"timestamp": now, "message": line} for line in lines]
    backend.put_log_events(group, stream, events)


@lru_cache(maxsize=64)
def _digest(code: bytes) -> str:
    """Hash an archive of megabytes once, not at each invocation."""
    return hashlib.sha256(code).hexdigest()


def _function(function: Any) -> Function:
    on_event = function.event_invoke_config[-1].config if function.event_invoke_config else {}
    return Function(
        arn=function.function_arn,
        name=function.function_name,
        version=str(function.version),
        handler=function.handler,
        code=function.code_bytes,
        code_sha256=_digest(function.code_bytes),
        environment=tuple(sorted((function.environment_vars or {}).items())),
        memory_mb=int(function.memory_size),
        timeout_seconds=int(function.timeout),
        log_group=function.logs_group_name,
        event_retries=on_event.get("MaximumRetryAttempts", 2),
        dead_letter_arn=function.dead_letter_arn,
    )


def install(runtime: LambdaRuntime) -> None:
    """Run functions instead of pretending to."""

    def run(original: Any) -> Any:
        def invoke(
            self: Any, function_name: str, qualifier: Any, body: Any, headers: Any, answer: Any
        ) -> bytes:
            function = _function(self.get_function(function_name, qualifier))
            payload = body.encode() if isinstance(body, str) else body
            if str(headers.get("X-Amz-Invocation-Type", "")).lower() == "event":
                runtime.invoke_event(function, payload or b"{}")
                return b""
            invocation = runtime.invoke(function, payload or b"{}")
            if invocation.is_error:
                answer["x-amz-function-error"] = "Unhandled"
            answer["Content-Length"] = str(len(invocation.payload))
            return invocation.payload

        return invoke

    def deleted(original: Any) -> Any:
        def delete(self: Any, function_name: str, qualifier: str | None = None) -> None:
            arn = self.get_function(function_name, qualifier).function_arn
            original(self, function_name, qualifier)
            runtime.retire(arn)

        return delete

    def created(original: Any) -> Any:
        def initialise(self: Any, *args: Any, spec: dict[str, Any], **kw: Any) -> None:
            original(self, *args, spec=spec, **kw)
            _note_dead_letters(self, {"DeadLetterConfig": {}, **spec})

        return initialise

    def updated(original: Any) -> Any:
        def update(self: Any, settings: dict[str, Any]) -> Any:
            _note_dead_letters(self, settings)
            return original(self, settings)

        return update

    def described(original: Any) -> Any:
        def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
            logging = {"LogFormat": "Text", "LogGroup": self.logs_group_name}
            return {**original(self, on_create), "LoggingConfig": logging}

        return get_configuration

    replace("moto.awslambda.models:LambdaBackend.invoke", run)
    replace("moto.awslambda.models:LambdaBackend.delete_function", deleted)
    replace("moto.awslambda.models:LambdaFunction.get_configuration", described)
    replace("moto.awslambda.models:LambdaFunction.__init__", created)
    replace("moto.awslambda.models:LambdaFunction.update_configuration", updated)
    extend_resource("moto.awslambda.models:LambdaFunction", after=_complete)


def _note_dead_letters(function: Any, settings: dict[str, Any]) -> None:
    if "DeadLetterConfig" in settings:
        function.dead_letter_arn = settings["DeadLetterConfig"].get("TargetArn", "")


def _complete(function: Any, properties: dict[str, Any]) -> None:
    logging = properties.get("LoggingConfig", {})
    function.logs_group_name = logging.get("LogGroup", function.logs_group_name)
    _note_dead_letters(function, {"DeadLetterConfig": {}, **properties})
