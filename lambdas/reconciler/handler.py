"""Entry point of ReconcilerLambda."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reconciler.models import ReconcileRequest
from reconciler.sweep import Sweep
from shared.environment import ReconcilerEnvironment
from shared.events import parse_request

logger = Logger()
metrics = Metrics()
METRIC_OF = {
    "lost_executions": "LostEventsExecutions",
    "repeated_executions": "EndingsRepeated",
    "lost_uploads": "LostEventsUploads",
    "expired_endpoints": "EndpointsExpired",
    "skipped": "LostEventsSkipped",
}


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make up for lost events."""
    environment = ReconcilerEnvironment.load()
    parse_request(ReconcileRequest, event)
    sweep = Sweep(environment, datetime.now(UTC))
    try:
        sweep.run()
    finally:
        found = sweep.found.model_dump()
        logger.info("Swept", found=found)
        for arn in sweep.given_up:
            logger.error("Staging freed of an execution that cannot be ended", execution_arn=arn)
        for name, count in found.items():
            metrics.add_metric(name=METRIC_OF[name], unit=MetricUnit.Count, value=count)
    return found
