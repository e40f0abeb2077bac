"""The two model modules, on the made-up rows and, where a copy is named, on the published data."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.synthesize import synthesize
from data.versions import split
from model_code import app, model, model_random
from model_code.runtime.artifact import predict
from model_code.runtime.contract import Contract
from model_code.runtime.encode import encode, feature_names, labels
from model_code.runtime.hyperparameters import resolve
from model_code.runtime.metrics import RegressionMetrics, regression_metrics
from model_code.runtime.tables import read_rows
from model_code.runtime.threads import SMALL_TABLE_ROWS, training_threads
from model_code.runtime.train import ModelModule

MODULES: list[ModelModule] = [model, model_random]


def fitted_bytes(
    contract: Contract, module: ModelModule, rows: Sequence[bytes], **given: str
) -> bytes:
    table = read_rows(contract, b"\n".join(rows), "train")
    booster = module.fit(
        encode(contract, table),
        labels(contract, table),
        feature_names(contract),
        resolve(given, module.HYPERPARAMETERS),
    )
    return bytes(booster.save_raw("ubj"))


def held_out(contract: Contract, module: ModelModule, content: bytes) -> RegressionMetrics:
    train, validation = (read_rows(contract, b"\n".join(rows), "rows") for rows in split(content))
    booster = module.fit(
        encode(contract, train),
        labels(contract, train),
        feature_names(contract),
        resolve({}, module.HYPERPARAMETERS),
    )
    prediction = predict(booster, encode(contract, validation)).astype(np.float64)
    return regression_metrics(labels(contract, validation).astype(np.float64), prediction)


@pytest.fixture(params=["synthetic", "published"])
def content(request: pytest.FixtureRequest) -> bytes:
    if request.param == "synthetic":
        return synthesize()
    path = os.environ.get("ABALONE_DATA")
    if not path:
        pytest.skip("$ABALONE_DATA names no copy of the published data")
    return Path(path).read_bytes()


def test_the_chosen_module_is_the_tuned_model() -> None:
    assert app.model is model


def test_the_tuned_model_passes_the_quality_gate(contract: Contract, content: bytes) -> None:
    found = held_out(contract, model, content)
    assert found.rmse < 2.35
    assert found.r2 > 0.45


def test_the_random_model_predicts_no_better_than_chance(
    contract: Contract, content: bytes
) -> None:
    found = held_out(contract, model_random, content)
    assert found.r2 < 0
    assert found.rmse > 2.35


@pytest.mark.parametrize("module", MODULES)
def test_the_same_rows_give_the_same_bytes(contract: Contract, module: ModelModule) -> None:
    rows = split(synthesize())[0][:500]
    assert fitted_bytes(contract, module, rows) == fitted_bytes(contract, module, rows)


@pytest.mark.parametrize("module", MODULES)
def test_another_seed_gives_another_model(contract: Contract, module: ModelModule) -> None:
    rows = split(synthesize())[0][:500]
    assert fitted_bytes(contract, module, rows, seed="1") != fitted_bytes(
        contract, module, rows, seed="2"
    )


def test_every_hyperparameter_of_the_tuned_model_changes_what_is_trained(
    contract: Contract,
) -> None:
    rows = split(synthesize())[0][:500]
    few = {"num_round": "20"}
    usual = fitted_bytes(contract, model, rows, **few)
    changed = {
        "max_depth": "2",
        "eta": "0.3",
        "min_child_weight": "100",
        "subsample": "0.9",
        "colsample_bytree": "1",
        "lambda": "1",
        "alpha": "5",
        "gamma": "50",
        "seed": "3",
    }
    assert {*changed, "num_round"} == {each.name for each in model.HYPERPARAMETERS}
    for name, value in changed.items():
        assert fitted_bytes(contract, model, rows, **few, **{name: value}) != usual, name


def test_a_small_table_is_trained_with_one_thread() -> None:
    assert training_threads(SMALL_TABLE_ROWS - 1) == 1
    assert training_threads(SMALL_TABLE_ROWS) >= 1
