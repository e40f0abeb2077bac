"""Evaluations are read whatever their task, and refused when they lack what they promise."""

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops.documents import parse_evaluation, read_model_test, sibling
from mlops.errors import ResponseError
from mlops.target import Deployment

DOCUMENT: dict[str, Any] = {
    "task": "regression",
    "metric": "rmse",
    "label": "rings",
    "regression_metrics": {"rmse": {"value": 2.2, "standard_deviation": 0.1}, "r2": {"value": 0.5}},
    "baseline": {"name": "linear", "rmse": 2.3},
}


def _deployment(body: bytes) -> Deployment:
    s3 = SimpleNamespace(get_object=lambda **request: {"Body": io.BytesIO(body)})
    target = SimpleNamespace(s3=s3)
    return cast("Deployment", SimpleNamespace(env="prod", target=target))


def test_metrics_and_baseline_are_taken_by_the_task_s_name() -> None:
    evaluation = parse_evaluation(DOCUMENT, "s3://b/e.json", "dev")
    assert evaluation.metrics == {"rmse": 2.2, "r2": 0.5}
    assert (evaluation.baseline_name, evaluation.baseline) == ("linear", {"rmse": 2.3})


@pytest.mark.parametrize(
    "change",
    [
        {"task": "other"},
        {"baseline": None},
        {"regression_metrics": {"rmse": {"value": float("nan")}}},
        {"regression_metrics": {"rmse": 2.2}},
    ],
)
def test_an_incomplete_evaluation_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(ResponseError, match=r"^s3://b/e.json: .*; expected the document"):
        parse_evaluation(DOCUMENT | change, "s3://b/e.json", "dev")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"rows": []}', b"\xff"])
def test_a_model_test_that_is_none_is_named(body: bytes) -> None:
    with pytest.raises(ResponseError, match=r"s3://b/t.json.*mlops pipelines follow --env prod`"):
        read_model_test(_deployment(body), "s3://b/t.json")


def test_a_sibling_lies_in_the_same_folder() -> None:
    assert sibling("s3://b/runs/k/1/evaluation/e.json", "t.json") == (
        "s3://b/runs/k/1/evaluation/t.json"
    )
