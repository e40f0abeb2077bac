"""Entry point of FailureLambda."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from explain_failure.logic import explain
from explain_failure.models import ExplainFailureRequest
from shared.environment import ExplainFailureEnvironment
from shared.events import parse_request

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Name the error that ended the run."""
    environment = ExplainFailureEnvironment.load()
    request = parse_request(ExplainFailureRequest, event)
    # The catcher wrote last; what stands before may have come with the execution's input.
    state_id, caught = next(reversed(request.state.failed.items()))
    registered = request.state.registered
    failure = explain(
        state_id,
        caught,
        execution_arn=request.execution_arn,
        log_groups=environment.log_groups,
        endpoint_name=environment.endpoint_name,
        environment_name=environment.environment_name,
        model_package_arn=registered.model_package_arn if registered else None,
    )
    logger.error("Run failed", state=state_id, error_name=failure.error, cause=failure.cause)
    metrics.add_metric(name="RunsFailed", unit=MetricUnit.Count, value=1)
    return failure.model_dump()
