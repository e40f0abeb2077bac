"""Entry point of ModelRegistryLambda."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from model_registry import gateway
from model_registry.logic import model_package, model_version
from model_registry.models import RegisterRequest
from shared.environment import ModelRegistryEnvironment
from shared.events import parse_request
from shared.outages import named_outages

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@named_outages()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Register the run's model as a version that a person has to approve."""
    environment = ModelRegistryEnvironment.load()
    request = parse_request(RegisterRequest, event)
    package = model_package(
        request, environment.model_package_group_name, environment.instance_type
    )
    arn = gateway.create_model_package(package)
    gateway.record_version(
        environment.bucket_name,
        request.run.run_key,
        model_package_arn=arn,
        execution_arn=request.execution_arn,
    )
    logger.info("Version registered", model_package_arn=arn, gate=request.gate.verdict)
    metrics.add_metric(name="VersionsRegistered", unit=MetricUnit.Count, value=1)
    return model_version(arn).model_dump()
