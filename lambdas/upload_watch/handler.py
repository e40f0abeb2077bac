"""Entry point of UploadWatchLambda."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.environment import UploadWatchEnvironment
from shared.uploads import uploaded_object
from upload_watch.gateway import postpone
from upload_watch.logic import sealing_of, version_of
from upload_watch.models import WatchResult

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Postpone the sealing of the data set version that a file was uploaded to."""
    environment = UploadWatchEnvironment.load()
    uploaded = uploaded_object(event, environment.bucket_name)
    version = version_of(environment.bucket_name, uploaded.key)
    if version is None:
        logger.debug("Written by a run", key=uploaded.key)
        return WatchResult(status="Ignored").model_dump()
    sealing = sealing_of(version, now=time.time(), quiet_seconds=environment.quiet_period_seconds)
    postpone(sealing, environment)
    logger.info("Upload seen", key=uploaded.key, at=sealing.expression)
    metrics.add_metric(name="UploadsSeen", unit=MetricUnit.Count, value=1)
    return WatchResult(status="Scheduled", schedule_name=sealing.name).model_dump()
