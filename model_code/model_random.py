"""The deliberately poor model: it learns shuffled labels by heart, so it predicts by chance.

The quality gate must stop it. Everything else about it is real: it trains, saves and serves.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xgboost as xgb

from model_code.runtime.encode import FloatArray
from model_code.runtime.hyperparameters import Hyperparameter, Number
from model_code.runtime.threads import training_threads

HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    Hyperparameter("num_round", int, default=30, minimum=1, maximum=1_000),
    Hyperparameter("max_depth", int, default=10, minimum=1, maximum=16),
    Hyperparameter("seed", int, default=20, minimum=0, maximum=2_147_483_647),
)


def fit(
    features: FloatArray,
    label: FloatArray,
    feature_names: Sequence[str],
    hyperparameters: Mapping[str, Number],
) -> xgb.Booster:
    """Train on labels that belong to other rows, without any regularisation."""
    seed = int(hyperparameters["seed"])
    shuffled = np.random.default_rng(seed).permutation(label)
    matrix = xgb.DMatrix(features, label=shuffled, feature_names=list(feature_names))
    settings = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": int(hyperparameters["max_depth"]),
        "eta": 0.5,
        "lambda": 0,
        "seed": seed,
        "nthread": training_threads(len(features)),
    }
    return xgb.train(settings, matrix, num_boost_round=int(hyperparameters["num_round"]))
