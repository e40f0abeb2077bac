"""Lambda: invocations run the function's own code; CloudWatch Logs: lines from anywhere."""

import hashlib
from functools import lru_cache
from typing import Any

from local_account.hooks.replace import extend_resource, replace
from local_account.service import Account
from local_account.services.lambda_runtime import Function, LambdaRuntime


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

    replace("moto.awslambda.models:LambdaBackend.invoke", run)
    extend_resource("moto.awslambda.models:LambdaFunction", after=_use_log_group)


def _use_log_group(function: Any, properties: dict[str, Any]) -> None:
    logging = properties.get("LoggingConfig", {})
    function.logs_group_name = logging.get("LogGroup", function.logs_group_name)
