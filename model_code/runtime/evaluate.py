"""The `evaluate` command: a trained model against the held-out split and a linear baseline."""

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.linear_model import LinearRegression

from model_code.runtime.archive import unpack
from model_code.runtime.artifact import ARTIFACT_FILES, Artifact, load_artifact
from model_code.runtime.contract import Contract
from model_code.runtime.encode import encode, labels
from model_code.runtime.errors import AlgorithmError
from model_code.runtime.files import write_bytes, write_json
from model_code.runtime.metrics import Bootstrap, Values, bootstrap, regression_metrics
from model_code.runtime.paths import Paths
from model_code.runtime.tables import read_split

MODEL_TEST_ROWS = 1_000


def evaluate(paths: Paths) -> None:
    """Write ``evaluation.json``, ``model_test.json`` and ``predictions.csv``.

    Raises
    ------
    ArtifactError
        If the model archive is not one that `train` wrote.
    UserError
        If a split breaks the model's contract.
    AlgorithmError
        If a metric is not finite.
    """
    with tempfile.TemporaryDirectory() as folder:
        unpack(paths.processing_input("model") / "model.tar.gz", Path(folder), ARTIFACT_FILES)
        artifact = load_artifact(Path(folder))
    train, validation = (
        read_split(artifact.contract, paths.processing_input(split), split)
        for split in ("train", "validation")
    )
    texts = artifact.predict(validation)
    evaluation = _evaluation(artifact, train, validation, _numbers(texts))
    output = paths.processing_output("evaluation")
    write_json(output / "evaluation.json", evaluation)
    write_json(output / "model_test.json", _model_test(artifact.contract, validation, texts))
    write_bytes(output / "predictions.csv", _predictions(artifact.contract, validation, texts))
    print(_summary(evaluation))


def _evaluation(
    artifact: Artifact, train: pl.DataFrame, validation: pl.DataFrame, prediction: Values
) -> dict[str, Any]:
    contract = artifact.contract
    label = _label(contract, validation)
    baseline = _linear_baseline(contract, train, validation)
    metrics = regression_metrics(label, prediction).as_dict()
    baseline_metrics = regression_metrics(label, baseline).as_dict()
    spread = bootstrap(label, prediction, baseline)
    deviations = spread.standard_deviation.as_dict()
    evaluation = {
        "regression_metrics": {
            name: {"value": value, "standard_deviation": deviations[name]}
            for name, value in metrics.items()
        },
        "baseline": {"name": "linear", **baseline_metrics},
        "comparison": _comparison(metrics["rmse"] - baseline_metrics["rmse"], spread),
        "segments": _segments(contract, validation, label, prediction),
        "rows": {"train": train.height, "validation": validation.height},
        "model": {
            "sha256": artifact.description["sha256"],
            "module": artifact.description["module"],
        },
        "label": contract.label,
        "task": contract.task,
        "metric": contract.metric,
    }
    _refuse_not_finite(evaluation, "evaluation")
    return evaluation


def _comparison(rmse_difference: float, spread: Bootstrap) -> dict[str, float]:
    return {
        "rmse_difference": rmse_difference,
        "lower_bound_95": spread.rmse_difference_lower_bound,
        "resamples": spread.resamples,
    }


def _linear_baseline(contract: Contract, train: pl.DataFrame, validation: pl.DataFrame) -> Values:
    """Predict with least squares, fitted on the training split alone."""
    linear = LinearRegression().fit(encode(contract, train), _label(contract, train))
    prediction: Values = linear.predict(encode(contract, validation)).astype(np.float64)
    return prediction


def _segments(
    contract: Contract, validation: pl.DataFrame, label: Values, prediction: Values
) -> list[dict[str, Any]]:
    """Measure each category of each column apart: a good mean may hide a bad group."""
    categories = [column.name for column in contract.features if column.type == "category"]
    rows = pd.DataFrame({name: validation[name].to_list() for name in categories})
    rows["squared_error"] = (prediction - label) ** 2
    segments = []
    for name in categories:
        grouped = rows.groupby(name, sort=True)["squared_error"].agg(["size", "mean"])
        for value, size, mse in grouped.itertuples():
            segments.append(
                {"column": name, "value": str(value), "rows": int(size), "rmse": float(mse) ** 0.5}
            )
    return segments


def _model_test(contract: Contract, validation: pl.DataFrame, texts: list[str]) -> dict[str, Any]:
    """Rows as a client sends them, with what the endpoint must answer to them."""
    count = min(MODEL_TEST_ROWS, validation.height)
    # Spread over the whole split, which may be sorted.
    chosen = np.linspace(0, validation.height - 1, num=count).astype(int).tolist()
    table = validation[chosen]
    rows = table.select([column.name for column in contract.features])
    label = _label(contract, table)
    prediction = _numbers([texts[row] for row in chosen])
    test = {
        "content_type": "text/csv",
        "rows": rows.write_csv(include_header=False).splitlines(),
        "labels": label.tolist(),
        "predictions": prediction.tolist(),
        "metrics": regression_metrics(label, prediction).as_dict(),
    }
    _refuse_not_finite(test, "model_test")
    return test


def _predictions(contract: Contract, validation: pl.DataFrame, texts: list[str]) -> bytes:
    label = _label(contract, validation).tolist()
    lines = [f"{row},{label[row]},{text}" for row, text in enumerate(texts)]
    return "\n".join(["row,label,prediction", *lines, ""]).encode()


def _label(contract: Contract, table: pl.DataFrame) -> Values:
    return labels(contract, table).astype(np.float64)


def _numbers(texts: list[str]) -> Values:
    return np.array([float(text) for text in texts], dtype=np.float64)


def _refuse_not_finite(content: object, place: str) -> None:
    if isinstance(content, Mapping):
        for key, value in content.items():
            _refuse_not_finite(value, f"{place}.{key}")
    elif isinstance(content, list):
        for value in content:
            _refuse_not_finite(value, place)
    elif isinstance(content, float) and not math.isfinite(content):
        raise AlgorithmError(
            f"{place}: found {content}, expected a finite number; the validation split may have "
            "one label value only."
        )


def _summary(evaluation: dict[str, Any]) -> str:
    metrics = evaluation["regression_metrics"]
    values = " ".join(
        f"validation-{name}={metric['value']:.6g}" for name, metric in metrics.items()
    )
    return f"{values} baseline-rmse={evaluation['baseline']['rmse']:.6g}"
