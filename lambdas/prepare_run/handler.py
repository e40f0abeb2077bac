"""Entry point of PrepareRunLambda."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from prepare_run.gateway import RunGateway
from prepare_run.logic import nothing_to_train
from prepare_run.models import PrepareRunRequest
from prepare_run.preparation import prepare_run
from shared.environment import PrepareRunEnvironment
from shared.events import parse_request
from shared.outages import named_outages

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@named_outages()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Identify and claim the run that the execution is asked for."""
    environment = PrepareRunEnvironment.load()
    request = parse_request(PrepareRunRequest, event)
    gateway = RunGateway(environment.bucket_name, environment.repository_name)
    run = prepare_run(request, environment, gateway)
    prepared = run.model_dump() if run else nothing_to_train(request.request.trigger)
    logger.info(
        "Run prepared",
        run_key=prepared["run_key"],
        run_name=prepared["name"],
        status=prepared["status"],
        trigger=prepared["trigger"],
        commit=prepared["commit"],
    )
    metrics.add_metric(name=f"Runs{prepared['status']}", unit=MetricUnit.Count, value=1)
    return prepared
