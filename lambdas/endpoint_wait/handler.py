"""Entry point of EndpointWaitLambda."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from endpoint_wait.gateway import describe
from endpoint_wait.logic import first_look, next_look
from endpoint_wait.models import EndpointWaitRequest
from shared.environment import EndpointWaitEnvironment
from shared.events import parse_request
from shared.outages import named_outages

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@named_outages()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at the endpoint once; the state machine waits between looks."""
    environment = EndpointWaitEnvironment.load()
    request = parse_request(EndpointWaitRequest, event)
    name = environment.endpoint_name
    description = describe(name)
    config, now = request.endpoint_config_name, int(time.time())
    if request.endpoint is None:
        endpoint = first_look(name, description, endpoint_config_name=config, now=now)
    else:
        endpoint = next_look(
            request.endpoint,
            description,
            endpoint_config_name=config,
            now=now,
            timeout_seconds=environment.endpoint_timeout_seconds,
        )
    logger.info("Endpoint described", endpoint=endpoint.model_dump())
    metrics.add_metric(
        name="EndpointSeconds", unit=MetricUnit.Seconds, value=endpoint.elapsed_seconds
    )
    return endpoint.model_dump()
