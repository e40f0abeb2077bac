"""What Step Functions can call, and how: its optimized integrations and those of the AWS SDK.

Source: "Integrating services with Step Functions" in the developer guide; operations from
botocore's service models.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

RESOURCE = re.compile(
    r"arn:aws[a-z-]*:states:[^:]*:[^:]*:(?P<sdk>aws-sdk:)?(?P<service>[A-Za-z0-9-]+):"
    r"(?P<action>[A-Za-z0-9]+)(?:\.(?P<pattern>\w+(?::\d+)?))?"
)
S, T = "sync", "waitForTaskToken"
OPTIMIZED: dict[str, dict[str, list[str]]] = tomllib.loads(
    (Path(__file__).parent / "integrations.toml").read_text("utf-8")
)
UNLIKE_THE_API = {"apigateway", "http", "eks", "elasticmapreduce"}
"""Optimized integrations whose parameters are not the API's."""
_SERVICES = {
    "states": "stepfunctions",
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "elasticmapreduce": "emr",
    "bedrock": "bedrock-runtime",
}
_MODELS = Loader()


@dataclass(frozen=True)
class Integration:
    """A task's resource, taken apart."""

    service: str
    action: str
    pattern: str | None
    is_sdk: bool

    @property
    def supported(self) -> set[str]:
        """Patterns besides request and response."""
        if self.is_sdk:
            return {T}
        return set(OPTIMIZED.get(self.service, {}).get(self.action, []))

    @property
    def exists(self) -> bool:
        """Whether Step Functions can call it at all, as far as the service is known."""
        if self.is_sdk:
            known = _model(_SERVICES.get(self.service, self.service)) is not None
            return self.operation is not None or not known
        return self.action in OPTIMIZED.get(self.service, {})

    @property
    def operation(self) -> OperationModel | None:
        """The API operation, if its parameters are those of the integration."""
        if not self.is_sdk and self.service in UNLIKE_THE_API:
            return None
        model = _model(_SERVICES.get(self.service, self.service))
        names = model.operation_names if model else ()
        spelled = {name.lower(): name for name in names}
        name = spelled.get(self.action.lower())
        return model.operation_model(name) if model and name else None


def integration(resource: str) -> Integration | None:
    """Take a task's resource apart; None if it is no service's (a Lambda, an activity)."""
    found = RESOURCE.fullmatch(resource)
    if not found or found["service"] == "activity":
        return None
    return Integration(found["service"], found["action"], found["pattern"], bool(found["sdk"]))


@cache
def _model(service: str) -> ServiceModel | None:
    available = {
        name.replace("-", ""): name for name in _MODELS.list_available_services("service-2")
    }
    try:
        name = available.get(service.replace("-", ""), service)
        return ServiceModel(_MODELS.load_service_model(name, "service-2"), name)
    except UnknownServiceError:
        return None
