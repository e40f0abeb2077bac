"""The endpoint must predict what the evaluation measured."""

import json
from typing import Any

import pytest

from model_test.logic import METRICS, batches, compare, parse_model_test, parse_predictions
from model_test.models import ModelTestFile
from shared.errors import EvaluationInvalid, ModelTestFailed

URI = "s3://b/e/model_test.json"
LABELS, PREDICTIONS = [9.0, 11.0, 7.0, 13.0], [9.5, 10.0, 7.0, 12.0]


def document(**changes: Any) -> bytes:
    content = {
        "content_type": "text/csv",
        "rows": ["M,0.4", "F,0.5", "I,0.3", "F,0.6"],
        "labels": LABELS,
        "predictions": PREDICTIONS,
        "metrics": {name: metric(LABELS, PREDICTIONS) for name, metric in METRICS.items()},
    }
    return json.dumps(content | changes).encode()


@pytest.fixture
def written() -> ModelTestFile:
    return parse_model_test(document(), URI)


def test_metrics_are_those_of_the_textbook() -> None:
    assert {name: metric(LABELS, PREDICTIONS) for name, metric in METRICS.items()} == {
        "mae": pytest.approx(0.625),
        "mse": pytest.approx(0.5625),
        "r2": pytest.approx(1 - 0.5625 / 5),
        "rmse": pytest.approx(0.75),
    }


def test_labels_that_do_not_vary_have_no_share_explained() -> None:
    assert METRICS["r2"]([3.0, 3.0], [1.0, 2.0]) == 0.0


def test_equal_predictions_pass(written: ModelTestFile) -> None:
    result = compare(written, PREDICTIONS, 1e-4)
    assert (result.rows, result.largest_difference) == (4, 0.0)


def test_rounding_within_the_tolerance_passes(written: ModelTestFile) -> None:
    rounded = [prediction + 1e-7 for prediction in PREDICTIONS]
    assert compare(written, rounded, 1e-4).largest_difference == pytest.approx(1e-7)


def test_other_predictions_fail_with_figures(written: ModelTestFile) -> None:
    with pytest.raises(ModelTestFailed, match=r"rmse is 1\.25, expected 0\.75 .* up to 2\."):
        compare(written, [9.5, 10.0, 9.0, 12.0], 1e-4)


def test_shifted_predictions_fail(written: ModelTestFile) -> None:
    with pytest.raises(ModelTestFailed):
        compare(written, PREDICTIONS[1:] + PREDICTIONS[:1], 1e-4)


@pytest.mark.parametrize("predictions", [PREDICTIONS[:-1], [*PREDICTIONS, 1.0], []])
def test_a_lost_or_added_prediction_fails(written: ModelTestFile, predictions: list[float]) -> None:
    with pytest.raises(ModelTestFailed, match=f"{len(predictions)} predictions to 4 rows"):
        compare(written, predictions, 1e-4)


@pytest.mark.parametrize("line", ["x", "nan", "inf", "1,2"])
def test_an_answer_that_is_no_number_fails_by_line(line: str) -> None:
    with pytest.raises(ModelTestFailed, match=f"line 2: found '{line}'"):
        parse_predictions(f"1.5\n{line}\n")


def test_no_row_is_lost_or_split_between_batches() -> None:
    rows = [f"row-{number},é" for number in range(100)]
    bodies = list(batches(rows, at_most_bytes=64))
    assert "\n".join(bodies).split("\n") == rows
    assert len(bodies) > 1
    assert max(len(body.encode()) for body in bodies) <= 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [1.0]}, "found .* rows, labels and predictions"),
        ({"rows": []}, "rows: Tuple should have at least 1"),
        ({"metrics": {"auc": 0.5}}, "metrics.auc is unknown, expected mae, mse, r2, rmse"),
        ({"labels": ["nan"] * 4}, "labels.0: Input should be a finite number"),
    ],
)
def test_a_malformed_file_is_refused_by_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationInvalid, match=f"{URI}: .*{message}|{URI}: {message}"):
        parse_model_test(document(**changes), URI)
