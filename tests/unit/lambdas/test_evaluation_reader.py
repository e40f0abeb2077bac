"""Which figures reach the quality gate."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from evaluation_reader.logic import evaluate, is_within
from evaluation_reader.models import LimitKind, Limits
from shared.errors import EvaluationInvalid

LIMITS: Limits = {
    "rmse": {"max": 2.35},
    "r2": {"above": 0.0},
    "rmse_difference_lower_bound": {"max": 0.0},
}
Event = Callable[[str], Any]


def changed(evaluation: dict[str, Any], metric: str, value: Any) -> bytes:
    evaluation["regression_metrics"][metric] = {"value": value}
    return json.dumps(evaluation).encode()


def test_every_figure_has_one_name(event: Event) -> None:
    evaluation = evaluate(json.dumps(event("evaluation")).encode(), "s3://b/e", LIMITS)
    assert evaluation.metrics == {
        "rmse": 2.14,
        "mse": 4.5796,
        "mae": 1.5,
        "r2": 0.56,
        "baseline_rmse": 2.22,
        "baseline_mae": 1.58,
        "baseline_r2": 0.52,
        "rmse_difference": -0.08,
        "rmse_difference_lower_bound": -0.11,
    }
    assert evaluation.evaluation_uri == "s3://b/e/evaluation.json"
    assert evaluation.model_test_uri == "s3://b/e/model_test.json"
    assert evaluation.summary == (
        "rmse is 2.14 (at most 2.35); r2 is 0.56 (above 0); "
        "rmse_difference_lower_bound is -0.11 (at most 0)"
    )


def test_a_missed_limit_is_named_with_value_and_limit(event: Event) -> None:
    content = changed(event("evaluation"), "rmse", 4.61)
    summary = evaluate(content, "s3://b/e", LIMITS).summary
    assert summary == "rmse is 4.61, expected at most 2.35. See s3://b/e/evaluation.json."


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_figure_that_is_no_finite_number_does_not_reach_the_gate(
    event: Event, value: float | None
) -> None:
    evaluation = evaluate(changed(event("evaluation"), "r2", value), "s3://b/e", LIMITS)
    assert "r2" not in evaluation.metrics
    assert "r2 is missing or no finite number, expected above 0" in evaluation.summary


@pytest.mark.parametrize("value", [True, "2.0"])
def test_a_figure_that_only_reads_as_a_number_is_refused_by_name(event: Event, value: Any) -> None:
    with pytest.raises(EvaluationInvalid, match=r"evaluation\.json: metrics\.rmse.*found"):
        evaluate(changed(event("evaluation"), "rmse", value), "s3://b/e", LIMITS)


def test_a_bound_of_another_metric_does_not_reach_the_gate(event: Event) -> None:
    document = event("evaluation") | {"metric": "mae"}
    metrics = evaluate(json.dumps(document).encode(), "s3://b/e", LIMITS).metrics
    assert not [name for name in metrics if name.endswith("_lower_bound")]


def test_a_missing_comparison_does_not_reach_the_gate(event: Event) -> None:
    document = event("evaluation") | {"comparison": {}}
    evaluation = evaluate(json.dumps(document).encode(), "s3://b/e", LIMITS)
    assert "rmse_difference_lower_bound" not in evaluation.metrics


@pytest.mark.parametrize(
    ("kind", "value", "within"),
    [
        ("max", 2.35, True),
        ("max", 2.3500001, False),
        ("min", 0.5, True),
        ("above", 0.0, False),
        ("above", 1e-9, True),
        ("below", 0.0, False),
    ],
)
def test_max_and_min_include_their_limit_above_and_below_do_not(
    kind: LimitKind, value: float, within: bool
) -> None:
    limit = {"max": 2.35, "min": 0.5}.get(kind, 0.0)
    assert is_within(value, kind, limit) is within


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"task": "regression"}'])
def test_a_file_that_is_no_evaluation_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(EvaluationInvalid, match="s3://b/e/evaluation.json: "):
        evaluate(content, "s3://b/e", LIMITS)
