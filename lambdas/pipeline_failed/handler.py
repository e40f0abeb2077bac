"""Entry point of PipelineFailedLambda."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline_failed.models import PipelineFailedRequest
from pipeline_failed.telling import tell
from shared.environment import PipelineFailedEnvironment
from shared.events import parse_request

logger = Logger()
metrics = Metrics()
METRIC_OF = {
    "Notified": "NotificationsSent",
    "Duplicate": "EventsDuplicate",
    "ToldByRun": "RunsFailedInPipeline",
}


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Tell of an action of the pipeline that failed."""
    environment = PipelineFailedEnvironment.load()
    request = parse_request(PipelineFailedRequest, event)
    outcome = tell(request, environment, claimant=context.aws_request_id, now=int(time.time()))
    logger.info("Pipeline failed", outcome=outcome._asdict())
    metrics.add_metric(name=METRIC_OF[outcome.status], unit=MetricUnit.Count, value=1)
    return outcome._asdict()
