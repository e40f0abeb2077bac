"""The `train` command: channels and hyperparameters to a model artifact."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl
import xgboost as xgb

from model_code.runtime.artifact import predict, save_artifact
from model_code.runtime.contract import Contract, read_contract
from model_code.runtime.encode import FloatArray, encode, feature_names, labels
from model_code.runtime.hyperparameters import Hyperparameter, Number, read_hyperparameters
from model_code.runtime.metrics import regression_metrics
from model_code.runtime.paths import CONTRACT_FILE, Paths
from model_code.runtime.tables import read_split


class ModelModule(Protocol):
    """What `app.py` chooses: a module with these names."""

    __name__: str
    HYPERPARAMETERS: tuple[Hyperparameter, ...]

    def fit(
        self,
        features: FloatArray,
        label: FloatArray,
        feature_names: Sequence[str],
        hyperparameters: Mapping[str, Number],
    ) -> xgb.Booster:
        """Train a model; the same input must give the same bytes."""
        ...


def train(paths: Paths, model: ModelModule) -> None:
    """Fit the chosen model on channel `train` and write its artifact.

    Channel `validation` is optional and only reported: nothing is fitted or chosen with it.

    Raises
    ------
    UserError
        If the channels break the contract or a hyperparameter is not accepted.
    """
    contract = read_contract(CONTRACT_FILE)
    hyperparameters = read_hyperparameters(paths.hyperparameters, model.HYPERPARAMETERS)
    splits = {"train": read_split(contract, paths.channel("train"), "train")}
    if paths.channel("validation").is_dir():
        splits["validation"] = read_split(contract, paths.channel("validation"), "validation")
    booster = model.fit(
        encode(contract, splits["train"]),
        labels(contract, splits["train"]),
        feature_names(contract),
        hyperparameters,
    )
    metrics = {name: _metric(booster, contract, table) for name, table in splits.items()}
    description = {
        "module": model.__name__.rpartition(".")[2],
        "hyperparameters": hyperparameters,
        "rows": {name: table.height for name, table in splits.items()},
        "metrics": {f"{name}-{contract.metric}": value for name, value in metrics.items()},
    }
    save_artifact(paths.model, booster, contract, description)
    # The training job's metric definitions read this line.
    print(" ".join(f"{name}-{contract.metric}={value:.6g}" for name, value in metrics.items()))


def _metric(booster: xgb.Booster, contract: Contract, table: pl.DataFrame) -> float:
    prediction = predict(booster, encode(contract, table)).astype(np.float64)
    label = labels(contract, table).astype(np.float64)
    return regression_metrics(label, prediction).as_dict()[contract.metric]
