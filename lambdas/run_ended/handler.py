"""Entry point of RunEndedLambda."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from run_ended.ending import end_what_ended
from run_ended.models import RunEndedRequest
from shared.environment import RunEndedEnvironment
from shared.events import parse_request

logger = Logger()
metrics = Metrics()
METRIC_OF = {"Completed": "RunsEnded", "Pending": "EndingsPending", "Duplicate": "EventsDuplicate"}


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Bring an execution that has ended to its end; what is pending is looked at again."""
    environment = RunEndedEnvironment.load()
    request = parse_request(RunEndedRequest, event)
    outcome = end_what_ended(
        request, environment, claimant=context.aws_request_id, now=int(time.time())
    )
    said = {"Duplicate": "Duplicate event"}.get(outcome.status, "Execution looked at")
    logger.info(said, outcome=outcome._asdict())
    if metric := METRIC_OF.get(outcome.status):
        metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)
    if outcome.given_up:
        logger.error("Staging given up", found=outcome.given_up)
        metrics.add_metric(name="StagingGivenUp", unit=MetricUnit.Count, value=1)
    if outcome.notified:
        metrics.add_metric(name="NotificationsSent", unit=MetricUnit.Count, value=1)
    return outcome._asdict()
