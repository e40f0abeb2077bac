"""Entry point of DatasetSealerLambda."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from dataset_sealer.gateway import SealGateway
from dataset_sealer.models import SealRequest
from dataset_sealer.sealing import seal
from shared.environment import DatasetSealerEnvironment
from shared.events import parse_request

logger = Logger()
metrics = Metrics()

METRICS = {"Sealed": "DatasetsSealed", "Unchanged": "UploadsUnchanged"}
MESSAGES = {
    "Empty": "No file below train/ or validation/",
    "NotQuiet": "A file has come since: a later event seals the version",
    "AlreadySealed": "The manifest holds",
    "Unchanged": "The files have the bytes that the manifest says",
    "Sealed": "Manifest written",
    "Outrun": "Another manifest was written meanwhile: it stands",
}


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Give a data set version a manifest, whose arrival starts a run."""
    environment = DatasetSealerEnvironment.load()
    request = parse_request(SealRequest, event)
    gateway = SealGateway(environment.bucket_name)
    result = seal(request, gateway, environment.run_table_name)
    logger.info(MESSAGES[result.status], dataset=request.dataset, **result.model_dump())
    if metric := METRICS.get(result.status):
        metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)
    return result.model_dump()
