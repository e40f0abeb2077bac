"""Metrics of the endpoint's predictions, and whether they are the evaluation's."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from pydantic import ValidationError

from model_test.models import ModelTestFile, ModelTestResult
from shared.errors import EvaluationInvalid, ModelTestFailed
from shared.events import first_problem

# SageMaker refuses bodies over 6 MB.
BATCH_BYTES = 5 * 1024 * 1024

Numbers = Sequence[float]


def parse_model_test(content: bytes, uri: str) -> ModelTestFile:
    """Read `model_test.json`.

    Raises
    ------
    EvaluationInvalid
        If it is no JSON, lacks a part, or has a metric that is not known here.
    """
    try:
        test = ModelTestFile.model_validate(json.loads(content))
    except ValueError as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise EvaluationInvalid(f"{uri}: {problem}. Look at the evaluation job's log.") from error
    unknown = sorted(test.metrics.keys() - METRICS.keys())
    if unknown:
        raise EvaluationInvalid(
            f"{uri}: metrics.{unknown[0]} is unknown, expected {', '.join(METRICS)}."
        )
    return test


def batches(rows: Sequence[str], at_most_bytes: int = BATCH_BYTES) -> Iterator[str]:
    """Join rows into bodies that the endpoint accepts."""
    batch: list[str] = []
    size = 0
    for row in rows:
        row_size = len(row.encode()) + 1
        if batch and size + row_size > at_most_bytes:
            yield "\n".join(batch)
            batch, size = [], 0
        batch.append(row)
        size += row_size
    if batch:
        yield "\n".join(batch)


def parse_predictions(body: str) -> list[float]:
    """One prediction a line.

    Raises
    ------
    ModelTestFailed
        If a line is no finite number.
    """
    predictions = []
    for number, line in enumerate(body.split(), start=1):
        try:
            prediction = float(line)
        except ValueError:
            prediction = math.nan
        if not math.isfinite(prediction):
            raise ModelTestFailed(
                f"Endpoint's answer, line {number}: found {line[:80]!r}, expected a finite number."
            )
        predictions.append(prediction)
    return predictions


def mse(labels: Numbers, predictions: Numbers) -> float:
    """Mean squared error."""
    return fmean((label - guess) ** 2 for label, guess in zip(labels, predictions, strict=True))


def rmse(labels: Numbers, predictions: Numbers) -> float:
    """Root of the mean squared error, in units of the label."""
    return math.sqrt(mse(labels, predictions))


def mae(labels: Numbers, predictions: Numbers) -> float:
    """Mean absolute error, in units of the label."""
    return fmean(abs(label - guess) for label, guess in zip(labels, predictions, strict=True))


def r2(labels: Numbers, predictions: Numbers) -> float:
    """Share of the labels' variance that is explained; 0 where labels do not vary."""
    mean = fmean(labels)
    variance = fmean((label - mean) ** 2 for label in labels)
    return 1 - mse(labels, predictions) / variance if variance else 0.0


METRICS: dict[str, Callable[[Numbers, Numbers], float]] = {
    "mae": mae,
    "mse": mse,
    "r2": r2,
    "rmse": rmse,
}


def compare(test: ModelTestFile, predictions: Numbers, tolerance: float) -> ModelTestResult:
    """Recompute the metrics from what the endpoint predicted.

    Raises
    ------
    ModelTestFailed
        If rows got lost, or a metric differs by more than `tolerance` of its size, or of 1 where
        it is smaller: r2 may be close to 0.
    """
    if len(predictions) != len(test.rows):
        raise ModelTestFailed(
            f"Endpoint answered {len(predictions)} predictions to {len(test.rows)} rows."
        )
    metrics = {name: METRICS[name](test.labels, predictions) for name in test.metrics}
    largest = max(
        abs(ours - theirs) for ours, theirs in zip(predictions, test.predictions, strict=True)
    )
    wrong = [
        f"{name} is {metrics[name]:.6g}, expected {expected:.6g}"
        for name, expected in test.metrics.items()
        if not math.isclose(metrics[name], expected, rel_tol=tolerance, abs_tol=tolerance)
    ]
    if wrong:
        raise ModelTestFailed(
            f"Over {len(test.rows)} rows through the endpoint {'; '.join(wrong)} as in the "
            f"evaluation (tolerance {tolerance:g}); predictions differ by up to {largest:.6g}. "
            "The endpoint serves another model, or encodes rows in another way."
        )
    return ModelTestResult(rows=len(predictions), metrics=metrics, largest_difference=largest)
