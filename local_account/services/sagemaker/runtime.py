"""The runtime API: InvokeEndpoint, from the client to a container and back."""

import http.client
import json
from collections.abc import Mapping

from local_account.service import Account, ServiceError
from local_account.services.sagemaker.endpoints import Endpoints
from local_account.services.sagemaker.serving import Variant

Answer = tuple[int, list[tuple[str, str]], bytes]

_MAX_BODY_BYTES = 6 * 1024 * 1024
_TIMEOUT_SECONDS = 60.0
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_FORWARDED = ("content-type", "accept", _ATTRIBUTES)
_TIMED_OUT = "Your invocation timed out while waiting for a response from container primary."


def invoke(
    account: Account, endpoints: Endpoints, name: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Send a request to one of an endpoint's containers and return AWS's answer."""
    given = {key.lower(): value for key, value in headers.items()}
    try:
        if len(body) > _MAX_BODY_BYTES:
            message = f"Request body of {len(body)} bytes is over the limit of {_MAX_BODY_BYTES}."
            raise ServiceError("ValidationError", message)
        target = given.get("x-amzn-sagemaker-target-variant")
        with endpoints.serving(name, target) as variant:
            status, answered, content = _ask(variant, given, body)
    except ServiceError as error:
        return _refusal(error.status, error.code, {"message": error.message})
    except TimeoutError:
        return _model_error(account, name, 0, _TIMED_OUT)
    except (OSError, http.client.HTTPException) as error:
        message = f"The container of endpoint {name} does not answer ({error}); it is restarted."
        return _refusal(503, "ServiceUnavailable", {"Message": message})
    if status >= 400:
        return _model_error(account, name, status, content.decode(errors="replace"))
    kept = [(key, value) for key, value in answered.items() if key.lower() in _FORWARDED]
    return 200, [*kept, ("x-Amzn-Invoked-Production-Variant", variant.name)], content


def _ask(
    variant: Variant, given: Mapping[str, str], body: bytes
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = variant.connection(_TIMEOUT_SECONDS)
    try:
        headers = {key: given[key] for key in _FORWARDED if given.get(key)}
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def _model_error(account: Account, name: str, status: int, text: str) -> Answer:
    group = f"/aws/sagemaker/Endpoints/{name}"
    side = "client" if 400 <= status < 500 else "server"
    console = f"https://{account.region}.console.aws.amazon.com/cloudwatch/home"
    message = (
        f'Received {side} error ({status}) from primary with message "{text}". See {console}'
        f"?region={account.region}#logEventViewer:group={group} in account {account.account_id} "
        "for more information."
    )
    body = {
        "Message": message,
        "OriginalStatusCode": status,
        "OriginalMessage": text,
        "LogStreamArn": account.arn("logs", f"log-group:{group}"),
    }
    return _refusal(424, "ModelError", body)


def _refusal(status: int, code: str, body: dict[str, object]) -> Answer:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
    return status, headers, json.dumps(body).encode()
