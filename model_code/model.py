"""Gradient-boosted trees, their defaults tuned to the data; `bench/accuracy.py` measures them."""

from collections.abc import Mapping, Sequence

import xgboost as xgb

from model_code.runtime.encode import FloatArray
from model_code.runtime.hyperparameters import Hyperparameter, Number
from model_code.runtime.threads import training_threads

HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    Hyperparameter("num_round", int, default=250, minimum=1, maximum=10_000),
    Hyperparameter("max_depth", int, default=5, minimum=1, maximum=16),
    Hyperparameter("eta", float, default=0.03, minimum=0.0001, maximum=1),
    Hyperparameter("min_child_weight", float, default=20, minimum=0, maximum=10_000),
    Hyperparameter("subsample", float, default=0.5, minimum=0.05, maximum=1),
    Hyperparameter("colsample_bytree", float, default=0.6, minimum=0.05, maximum=1),
    Hyperparameter("lambda", float, default=10, minimum=0, maximum=10_000),
    Hyperparameter("alpha", float, default=0, minimum=0, maximum=10_000),
    Hyperparameter("gamma", float, default=0, minimum=0, maximum=10_000),
    Hyperparameter("seed", int, default=20, minimum=0, maximum=2_147_483_647),
)


def fit(
    features: FloatArray,
    label: FloatArray,
    feature_names: Sequence[str],
    hyperparameters: Mapping[str, Number],
) -> xgb.Booster:
    """Train on ``features`` (n_rows, n_features) float32; the same input gives the same bytes."""
    settings: dict[str, object] = dict(hyperparameters)
    num_round = int(hyperparameters["num_round"])
    del settings["num_round"]
    settings |= {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        # A resumed training must draw the same rows in round n as one that never stopped.
        "seed_per_iteration": True,
        "nthread": training_threads(len(features)),
    }
    matrix = xgb.DMatrix(features, label=label, feature_names=list(feature_names))
    return xgb.train(settings, matrix, num_boost_round=num_round)
