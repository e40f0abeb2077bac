"""Contract tests: `train`, `validate`, `evaluate` and `serve` as SageMaker starts them."""

import csv
import json
import math
import signal

import pytest

from model_code.runtime.artifact import ARTIFACT_FILES
from model_code.runtime.paths import SPLITS
from model_code.tests.job import require
from model_code.tests.lab import Lab
from model_code.tests.rows import contract


@pytest.fixture(autouse=True)
def _begun(lab: Lab) -> None:
    lab.begin()


def test_train_writes_a_model(lab: Lab) -> None:
    description = json.loads((lab.trained() / "model.json").read_text())
    rows = {split: contract().minimum_rows.get(split, 1) for split in SPLITS}
    assert description["rows"] == rows


def test_the_same_data_gives_the_same_model(lab: Lab) -> None:
    first, second = lab.trained(), lab.trained_again()
    for name in sorted(ARTIFACT_FILES):
        if (first / name).read_bytes() != (second / name).read_bytes():
            require(
                f"two trainings on the same data wrote different {name}; expected the same bytes. "
                "Seed what draws at random."
            )


def test_validate_summarises_the_version(lab: Lab) -> None:
    report = json.loads((lab.validated() / "validation.json").read_text())
    assert report["rows"].keys() == set(SPLITS)
    assert report["contract_sha256"] == contract().sha256


def test_evaluate_measures_the_model(lab: Lab) -> None:
    folder = lab.evaluated()
    metrics = json.loads((folder / "evaluation.json").read_text())["regression_metrics"]
    assert all(math.isfinite(metric["value"]) for metric in metrics.values())
    predictions = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    assert len(predictions) == contract().minimum_rows.get("validation", 1)


def test_serve_answers_as_evaluate_expects(lab: Lab) -> None:
    test = json.loads((lab.evaluated() / "model_test.json").read_text())
    status, answer = lab.serving().ask("/invocations", "\n".join(test["rows"]))
    assert (status, [float(line) for line in answer.split()]) == (200, test["predictions"])


def test_serve_refuses_what_breaks_the_contract_in_one_line(lab: Lab) -> None:
    status, answer = lab.serving().ask("/invocations", "no,row\n")
    assert status == 400
    assert "expected" in answer
    assert answer.count("\n") == 1


def test_serve_stops_when_it_is_told(lab: Lab) -> None:
    serving = lab.serving()
    serving.process.send_signal(signal.SIGTERM)
    _, said = serving.process.communicate(timeout=20)
    require(serving.job.wrong("serve", serving.process.returncode, said))
