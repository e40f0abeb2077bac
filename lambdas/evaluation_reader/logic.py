"""Which figures an evaluation holds and how they stand to the limits."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from pydantic import ValidationError

from evaluation_reader.models import Evaluation, EvaluationFile, LimitKind, Limits
from shared.errors import EvaluationInvalid
from shared.events import first_problem

EVALUATION_NAME = "evaluation.json"
MODEL_TEST_NAME = "model_test.json"
EXPECTED: dict[LimitKind, str] = {
    "min": "at least",
    "max": "at most",
    "above": "above",
    "below": "below",
}


def parse_evaluation(content: bytes, uri: str) -> EvaluationFile:
    """Read `evaluation.json`.

    Raises
    ------
    EvaluationInvalid
        If it is no JSON or lacks a part.
    """
    try:
        document = json.loads(content)
        if isinstance(document, dict):
            document = {**document, "metrics": document.get(f"{document.get('task')}_metrics")}
        return EvaluationFile.model_validate(document)
    except ValueError as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise EvaluationInvalid(
            f"{uri}: {problem}. Look at the evaluation job's log for what it wrote."
        ) from error


def figures(file: EvaluationFile) -> dict[str, float]:
    """Every figure under one name; only finite numbers, so that nothing else passes a gate."""
    compared = f"{file.metric}_difference"
    found: dict[str, object] = {
        **file.metrics,
        **{f"baseline_{name}": value for name, value in file.baseline.items()},
    }
    if compared in file.comparison:  # else the bound is that of another metric
        found[compared] = file.comparison[compared]
        found[f"{compared}_lower_bound"] = file.comparison.get("lower_bound_95")
    return {name: value for name, value in found.items() if is_finite_number(value)}


def is_finite_number(value: object) -> TypeGuard[float]:
    """True and False are no numbers here, although Python takes them for integers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def summarize(metrics: Mapping[str, float], limits: Limits, uri: str) -> str:
    """Name each figure that misses its limit, or all figures if none does."""
    missed = list(_missed(metrics, limits))
    if missed:
        return f"{'; '.join(missed)}. See {uri}."
    return "; ".join(
        f"{name} is {metrics[name]:.6g} ({EXPECTED[kind]} {limit:g})"
        for name, kind, limit in _flat(limits)
    )


def _missed(metrics: Mapping[str, float], limits: Limits) -> Iterator[str]:
    for name, kind, limit in _flat(limits):
        expected = f"expected {EXPECTED[kind]} {limit:g}"
        if name not in metrics:
            yield f"{name} is missing or no finite number, {expected}"
        elif not is_within(metrics[name], kind, limit):
            yield f"{name} is {metrics[name]:.6g}, {expected}"


def _flat(limits: Limits) -> Iterator[tuple[str, LimitKind, float]]:
    for name, bounds in limits.items():
        for kind, limit in bounds.items():
            yield name, kind, limit


def is_within(value: float, kind: LimitKind, limit: float) -> bool:
    """Whether a figure keeps a limit; `min` and `max` themselves are within."""
    if kind == "min":
        return value >= limit
    if kind == "max":
        return value <= limit
    return value > limit if kind == "above" else value < limit


def evaluate(content: bytes, directory: str, limits: Limits) -> Evaluation:
    """What the gate and the later states need to know of an evaluation."""
    uri = f"{directory}/{EVALUATION_NAME}"
    file = parse_evaluation(content, uri)
    metrics = figures(file)
    return Evaluation(
        metrics=metrics,
        model_sha256=file.model.sha256,
        evaluation_uri=uri,
        model_test_uri=f"{directory}/{MODEL_TEST_NAME}",
        summary=summarize(metrics, limits, uri),
    )
