"""Entry point of StagingLockLambda."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.environment import StagingLockEnvironment
from shared.events import parse_request
from shared.outages import named_outages
from staging_lock.acquisition import acquire
from staging_lock.models import AcquireRequest

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@named_outages()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look once whether staging is free; the state machine waits between looks."""
    environment = StagingLockEnvironment.load()
    request = parse_request(AcquireRequest, event)
    staging = acquire(
        request,
        environment.run_table_name,
        now=int(time.time()),
        timeout_seconds=environment.lock_timeout_seconds,
        cleanup_timeout_seconds=environment.cleanup_timeout_seconds,
    )
    logger.info("Staging acquired" if staging.acquired else "Staging held", **staging.model_dump())
    metrics.add_metric(
        name="StagingWaitSeconds", unit=MetricUnit.Seconds, value=staging.waited_seconds
    )
    return staging.model_dump()
