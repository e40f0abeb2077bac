"""Entry point of EvaluationReaderLambda."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from evaluation_reader.logic import EVALUATION_NAME, evaluate
from evaluation_reader.models import ReadEvaluationRequest
from shared.environment import EvaluationReaderEnvironment
from shared.evaluation_files import read_evaluation_file
from shared.events import parse_request
from shared.outages import named_outages

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@named_outages()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Read the evaluation and set its figures beside the limits."""
    EvaluationReaderEnvironment.load()
    request = parse_request(ReadEvaluationRequest, event)
    content = read_evaluation_file(f"{request.evaluation_uri}/{EVALUATION_NAME}")
    evaluation = evaluate(content, request.evaluation_uri, request.limits)
    logger.info("Evaluation read", summary=evaluation.summary)
    for name in request.limits.keys() & evaluation.metrics.keys():
        metrics.add_metric(name=name, unit=MetricUnit.NoUnit, value=evaluation.metrics[name])
    return evaluation.model_dump()
