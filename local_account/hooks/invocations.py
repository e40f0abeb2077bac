"""Lambda's Invoke: its types, limits and headers.

Sources: botocore's shapes, AWS documentation "Lambda quotas"; the texts are those of public logs.
"""

import base64
import json
from typing import Any
from urllib.parse import unquote

from local_account.hooks.functions import function_of
from local_account.hooks.replace import replace
from local_account.service import ServiceError
from local_account.services.lambda_events import Throttled
from local_account.services.lambda_runtime import LambdaRuntime

_LIMITS = {"RequestResponse": 6_291_456, "Event": 1_048_576, "DryRun": 6_291_456}
_TAIL_BYTES = 4096
Answer = tuple[int, dict[str, Any], bytes]  # moto reads the status from the headers


def install(runtime: LambdaRuntime) -> None:
    """Run functions instead of pretending to."""

    def invoke(self: Any) -> Answer:
        backend = self.backend
        name = unquote(self.path.rsplit("/", 2)[-2])
        version = backend.get_function(name, self._get_param("Qualifier"))
        function = function_of(version, backend.get_function(version.function_name))
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        payload = _payload(self.body, kind)
        if kind == "DryRun":
            return _status(204)
        if kind == "Event":
            runtime.invoke_event(function, payload)
            return _status(202)
        try:
            invocation = runtime.invoke(function, payload)
        except Throttled:
            return _throttled()
        headers: dict[str, Any] = {
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": function.version,
        }
        if invocation.is_error:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            tail = invocation.log.encode()[-_TAIL_BYTES:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        return 200, headers, invocation.payload

    replace("moto.awslambda.responses:LambdaResponse.invoke", lambda original: invoke)


def _payload(body: Any, kind: str) -> bytes:
    """Return what a function is invoked with.

    Raises
    ------
    ServiceError
        If there is no such type of invocation, or the payload is too large or no JSON.
    """
    payload: bytes = (body.encode() if isinstance(body, str) else body) or b"{}"
    if kind not in _LIMITS:
        message = f"Unsupported invocation type {kind}"
        raise ServiceError("InvalidParameterValueException", message)
    if len(payload) > _LIMITS[kind]:
        message = (
            f"{len(payload)} byte payload is too large for the {kind} invocation type "
            f"(limit {_LIMITS[kind]} bytes)"
        )
        raise ServiceError("RequestEntityTooLargeException", message, 413)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: Could not parse payload: {error}"
        raise ServiceError("InvalidRequestContentException", message) from error
    return payload


def _throttled() -> Answer:
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    document = {"Reason": reason, "Type": "User", "message": "Rate Exceeded."}
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "TooManyRequestsException"}
    return _status(429, json.dumps(document).encode(), **headers)


def _status(status: int, body: bytes = b"", **headers: str) -> Answer:
    return status, {"status": status, **headers}, body
