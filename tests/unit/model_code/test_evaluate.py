"""Evaluation: the shape that the pipeline reads, and figures that can be computed otherwise."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from model_code.runtime.artifact import prediction_texts
from model_code.runtime.contract import Contract
from model_code.runtime.encode import encode, labels
from model_code.runtime.errors import AlgorithmError, ArtifactError
from model_code.runtime.evaluate import evaluate
from model_code.runtime.metrics import regression_metrics
from model_code.runtime.tables import read_split

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.model_code.conftest import Job


def test_the_report_has_what_the_quality_gate_reads(finished_job: Job) -> None:
    report = finished_job.report("evaluation", "evaluation.json")
    for name in ("rmse", "mse", "mae", "r2"):
        metric = report["regression_metrics"][name]
        assert math.isfinite(metric["value"])
        assert 0 < metric["standard_deviation"] < 1
    assert report["baseline"].keys() == {"name", "rmse", "mse", "mae", "r2"}
    assert report["baseline"]["name"] == "linear"
    difference = report["regression_metrics"]["rmse"]["value"] - report["baseline"]["rmse"]
    assert report["comparison"]["rmse_difference"] == pytest.approx(difference)
    assert report["comparison"]["lower_bound_95"] < report["comparison"]["rmse_difference"]
    assert (report["task"], report["metric"], report["label"]) == ("regression", "rmse", "rings")


def test_metrics_are_those_of_the_listed_predictions(finished_job: Job) -> None:
    report = finished_job.report("evaluation", "evaluation.json")
    path = finished_job.paths.processing_output("evaluation") / "predictions.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == report["rows"]["validation"]
    label, prediction = (
        np.array([float(row[name]) for row in rows]) for name in ("label", "prediction")
    )
    for name, value in regression_metrics(label, prediction).as_dict().items():
        assert report["regression_metrics"][name]["value"] == pytest.approx(value, rel=1e-12)


def test_a_prediction_s_text_reads_back_as_the_same_float32() -> None:
    values = np.array([0.1, 1 / 3, 10.092511, 1e-7, 2**24 + 2], dtype=np.float32)
    read = np.array([float(text) for text in prediction_texts(values)], dtype=np.float32)
    assert read.tolist() == values.tolist()


def test_the_baseline_is_fitted_on_the_training_split_alone(
    finished_job: Job, contract: Contract
) -> None:
    train, validation = (
        read_split(contract, finished_job.paths.processing_input(split), split)
        for split in ("train", "validation")
    )

    def design(table: pl.DataFrame) -> npt.NDArray[np.float64]:
        features = encode(contract, table).astype(np.float64)
        return np.column_stack([np.ones(len(features)), features])

    weights, *_ = np.linalg.lstsq(design(train), labels(contract, train), rcond=None)
    label = labels(contract, validation).astype(np.float64)
    expected = regression_metrics(label, design(validation) @ weights).as_dict()
    baseline = finished_job.report("evaluation", "evaluation.json")["baseline"]
    assert {name: baseline[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_segments_cover_every_row_once(finished_job: Job) -> None:
    report = finished_job.report("evaluation", "evaluation.json")
    segments = report["segments"]
    assert [(each["column"], each["value"]) for each in segments] == [
        ("sex", "F"),
        ("sex", "I"),
        ("sex", "M"),
    ]
    assert sum(each["rows"] for each in segments) == report["rows"]["validation"]
    squares = sum(each["rows"] * each["rmse"] ** 2 for each in segments)
    mse = report["regression_metrics"]["mse"]["value"]
    assert squares / report["rows"]["validation"] == pytest.approx(mse)


def test_the_model_test_recomputes_to_its_own_metrics(
    finished_job: Job, contract: Contract
) -> None:
    test = finished_job.report("evaluation", "model_test.json")
    assert test["content_type"] == "text/csv"
    assert 0 < len(test["rows"]) == len(test["labels"]) == len(test["predictions"]) <= 1000
    assert all(row.count(",") == len(contract.features) - 1 for row in test["rows"])
    found = regression_metrics(np.array(test["labels"]), np.array(test["predictions"]))
    assert found.as_dict() == test["metrics"]


def test_evaluating_again_writes_the_same_bytes(finished_job: Job, new_job: Job) -> None:
    source = finished_job.paths.processing_input("model")
    new_job.paths.processing_input("model").symlink_to(source)
    evaluate(new_job.paths)
    for name in ("evaluation.json", "model_test.json", "predictions.csv"):
        first, second = (
            (job.paths.processing_output("evaluation") / name).read_bytes()
            for job in (finished_job, new_job)
        )
        assert first == second


def test_a_damaged_model_is_not_evaluated(
    finished_job: Job, new_job: Job, tar_gz: Callable[..., bytes]
) -> None:
    files = {path.name: path.read_bytes() for path in finished_job.paths.model.iterdir()}
    files["model.ubj"] = files["model.ubj"][:-1] + b"\x00"
    folder = new_job.paths.processing_input("model")
    folder.mkdir()
    (folder / "model.tar.gz").write_bytes(tar_gz(*files.items()))
    with pytest.raises(ArtifactError, match=r"model\.ubj of the model artifact has another sha256"):
        evaluate(new_job.paths)


def test_a_metric_that_is_not_finite_fails_the_job(finished_job: Job, new_job: Job) -> None:
    source = finished_job.paths.processing_input("model")
    new_job.paths.processing_input("model").symlink_to(source)
    path = new_job.paths.processing_input("validation") / "validation.csv"
    rows = [row.rpartition(",")[0] + ",9" for row in path.read_text().splitlines()]
    path.write_text("\n".join(rows))
    with pytest.raises(AlgorithmError, match="r2.* found nan, expected a finite number"):
        evaluate(new_job.paths)
    assert not new_job.paths.processing_output("evaluation").exists()


def test_a_missing_model_is_named_in_the_exit_message(new_job: Job) -> None:
    assert new_job.run("evaluate").returncode == 1
    assert new_job.paths.message.read_text().startswith("ArtifactError: model.tar.gz: ")
    assert json.dumps(new_job.paths.message.read_text())
