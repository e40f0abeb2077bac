"""Accuracy of the model modules over 5 folds x 3 repeats, beside simple baselines.

``python -m bench.accuracy`` prints a table and ends with code 1 if the tuned model misses its bar.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import RepeatedKFold

import data
from model_code import model, model_random
from model_code.runtime.artifact import predict
from model_code.runtime.contract import read_contract
from model_code.runtime.encode import FloatArray, encode, feature_names, labels
from model_code.runtime.hyperparameters import resolve
from model_code.runtime.metrics import RegressionMetrics, Values, regression_metrics
from model_code.runtime.paths import CONTRACT_FILE
from model_code.runtime.tables import read_rows
from model_code.runtime.train import ModelModule

FOLDS, REPEATS, SEED = 5, 3, 20
MAXIMUM_RMSE, MINIMUM_R2 = 2.15, 0.55

# Features and label to train on, features to predict.
Predictor = Callable[[FloatArray, FloatArray, FloatArray], Values]


def mean(features: FloatArray, label: FloatArray, unseen: FloatArray) -> Values:
    """Predict the training mean."""
    return np.full(len(unseen), label.mean(dtype=np.float64))


def linear(features: FloatArray, label: FloatArray, unseen: FloatArray) -> Values:
    """Predict with least squares."""
    fitted = LinearRegression().fit(features, label.astype(np.float64))
    prediction: Values = fitted.predict(unseen).astype(np.float64)
    return prediction


def module(chosen: ModelModule, names: tuple[str, ...]) -> Predictor:
    """Predict with a model module and its default hyperparameters."""
    hyperparameters = resolve({}, chosen.HYPERPARAMETERS)

    def fit_and_predict(features: FloatArray, label: FloatArray, unseen: FloatArray) -> Values:
        booster = chosen.fit(features, label, names, hyperparameters)
        return predict(booster, unseen).astype(np.float64)

    return fit_and_predict


def cross_validate(
    predictor: Predictor, features: FloatArray, label: FloatArray
) -> Iterator[RegressionMetrics]:
    """Measure each held-out fold; the folds are the same for every predictor."""
    folds = RepeatedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=SEED)
    for train, held_out in folds.split(features):
        prediction = predictor(features[train], label[train], features[held_out])
        yield regression_metrics(label[held_out].astype(np.float64), prediction)


def measure(content: bytes) -> dict[str, dict[str, Any]]:
    """Measure every model on the whole data set."""
    contract = read_contract(CONTRACT_FILE)
    table = read_rows(contract, content, "data")
    features, label = encode(contract, table), labels(contract, table)
    names = feature_names(contract)
    predictors: dict[str, Predictor] = {
        "mean": mean,
        "linear": linear,
        "model_random": module(model_random, names),
        "model": module(model, names),
    }
    measured = {}
    for name, predictor in predictors.items():
        started = time.perf_counter()
        folds = [fold.as_dict() for fold in cross_validate(predictor, features, label)]
        measured[name] = {
            metric: {
                "mean": float(np.mean([fold[metric] for fold in folds])),
                "standard_deviation": float(np.std([fold[metric] for fold in folds])),
            }
            for metric in ("rmse", "mae", "r2")
        } | {"seconds_per_fold": (time.perf_counter() - started) / len(folds)}
    return measured


def print_table(measured: dict[str, dict[str, Any]]) -> None:
    """Print one line per model."""
    print(f"{'model':<14}{'RMSE':>16}{'MAE':>8}{'R2':>9}{'s/fold':>9}")
    for name, metrics in measured.items():
        rmse = f"{metrics['rmse']['mean']:.3f} +- {metrics['rmse']['standard_deviation']:.3f}"
        mae, r2 = metrics["mae"]["mean"], metrics["r2"]["mean"]
        print(f"{name:<14}{rmse:>16}{mae:>8.3f}{r2:>9.3f}{metrics['seconds_per_fold']:>9.3f}")


def main() -> None:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    source = data.fetch()
    measured = measure(source.content)
    passed = (
        measured["model"]["rmse"]["mean"] <= MAXIMUM_RMSE
        and measured["model"]["r2"]["mean"] >= MINIMUM_R2
    )
    if options.json:
        judged = {"data": source.note, "models": measured, "passed": passed}
        print(json.dumps(judged, indent=2))
    else:
        print(f"{source.note}\n{FOLDS} folds x {REPEATS} repeats, seed {SEED}")
        print_table(measured)
        print(
            f"model: expected RMSE <= {MAXIMUM_RMSE} and R2 >= {MINIMUM_R2}: "
            f"{'passed' if passed else 'MISSED'}"
        )
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
