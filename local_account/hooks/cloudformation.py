"""CloudFormation: moto reads requests and writes answers, the account's own service acts."""

from typing import Any

from local_account.hooks.replace import replace
from local_account.service import Account, ServiceError
from local_account.services.cloudformation import RESOURCE_TYPES, CloudFormation


def install(account: Account) -> None:
    """Answer every operation of CloudFormation by the account's own service."""
    service = CloudFormation(account, RESOURCE_TYPES)
    path = "moto.cloudformation.responses:CloudFormationResponse.call_action"
    replace(path, lambda original: lambda self: _answer(self, account, service))


def _answer(request: Any, account: Account, service: CloudFormation) -> Any:
    from moto.cloudformation.exceptions import CloudFormationError
    from moto.core.responses import ActionResult

    request.RESPONSE_KEY_PATH_TO_TRANSFORMER = {}  # moto's own objects have other shapes
    operation, caller = request._get_action(), account.identities.identify(request.access_key)
    try:
        if caller is None:
            raise ServiceError("InvalidClientTokenId", f"{request.access_key} is nobody's.", 403)
        answer: Any = service.asked_by(caller[1]).call(operation, dict(request.params))
    except ServiceError as error:
        if error.status >= 500 or error.code == "UnsupportedOperation":
            raise
        answer = CloudFormationError(error.code, error.message)
    status, headers, body = request.serialized(ActionResult(answer))
    headers["status"] = str(status)
    return status, *request._enrich_response(headers, body)
