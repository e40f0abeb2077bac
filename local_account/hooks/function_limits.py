"""Lambda: what a function may not be, however it is created or changed."""

import json
from collections.abc import Mapping
from typing import Any

from local_account.service import ServiceError, problems_of

_MAX_ENVIRONMENT_BYTES = 4096
_LONGEST_NAME = 64


def check(operation: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings that Lambda refuses.

    Raises
    ------
    ServiceError
        With Lambda's code and words.
    """
    if problems := problems_of("lambda", operation, dict(settings)):
        raise ServiceError("ValidationException", problems)
    name = str(settings["FunctionName"]).rpartition(":")[2]
    if len(name) > _LONGEST_NAME:
        limit = f"Member must have length less than or equal to {_LONGEST_NAME}"
        message = f"Value '{name}' at 'functionName' failed to satisfy constraint: {limit}"
        raise ServiceError("ValidationException", f"1 validation error detected: {message}")
    variables = json.dumps(
        settings.get("Environment", {}).get("Variables", {}), separators=(",", ":")
    )
    if len(variables.encode()) > _MAX_ENVIRONMENT_BYTES:
        raise ServiceError(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {variables}",
        )
