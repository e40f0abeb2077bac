"""Entry point of ModelTestLambda."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from model_test.gateway import predict
from model_test.logic import batches, compare, parse_model_test, parse_predictions
from model_test.models import ModelTestRequest
from shared.environment import ModelTestEnvironment
from shared.evaluation_files import read_evaluation_file
from shared.events import parse_request
from shared.outages import named_outages

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@named_outages()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Send labelled rows through the endpoint and compare the metrics with the evaluation's."""
    endpoint_name = ModelTestEnvironment.load().endpoint_name
    request = parse_request(ModelTestRequest, event)
    test = parse_model_test(read_evaluation_file(request.model_test_uri), request.model_test_uri)
    predictions = [
        prediction
        for body in batches(test.rows)
        for prediction in parse_predictions(predict(endpoint_name, body, test.content_type))
    ]
    result = compare(test, predictions, request.tolerance)
    logger.info("Model tested", rows=result.rows, metrics=result.metrics)
    metrics.add_metric(name="ModelTestRows", unit=MetricUnit.Count, value=result.rows)
    return result.model_dump()
