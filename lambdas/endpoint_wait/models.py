"""Shapes that FindEndpoint and WaitForEndpoint read and return."""

from typing import Literal

from pydantic import BaseModel

from shared.events import Request


class Endpoint(Request):
    """The endpoint as the state machine knows it from one look to the next.

    `former_config` is the endpoint config that it served at the first look.
    """

    name: str
    action: Literal["Create", "Update"]
    status: str
    wait_seconds: int
    started_at: int
    elapsed_seconds: int
    former_config: str | None = None


class EndpointWaitRequest(Request):
    """Without `endpoint` it is the first look, before anything is created or updated."""

    endpoint_config_name: str
    endpoint: Endpoint | None = None


class Description(BaseModel):
    """What SageMaker says of the endpoint."""

    status: str
    endpoint_config_name: str
    failure_reason: str | None = None
