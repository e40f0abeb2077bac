"""Every model module, chosen in `app.py` or not, keeps what the runtime expects of it."""

import importlib
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from model_code.runtime.artifact import predict
from model_code.runtime.encode import encode, feature_names, labels
from model_code.runtime.hyperparameters import resolve
from model_code.runtime.tables import read_split
from model_code.tests.conftest import REPOSITORY
from model_code.tests.lab import Lab
from model_code.tests.rows import contract

MODULES = sorted(path.stem for path in REPOSITORY.glob("model*.py"))


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> Any:
    # imported by each test: where that fails or hangs, the test's name is in the log
    return importlib.import_module(f"model_code.{request.param}")


@pytest.fixture
def booster(module: Any, lab: Lab) -> xgb.Booster:
    return fit(module, lab)


def fit(module: Any, lab: Lab) -> xgb.Booster:
    table = read_split(contract(), lab.version / "train", "train")
    features, label = encode(contract(), table), labels(contract(), table)
    given = features.copy(), label.copy()
    hyperparameters = resolve({}, module.HYPERPARAMETERS)
    booster: xgb.Booster = module.fit(features, label, feature_names(contract()), hyperparameters)
    assert np.array_equal(features, given[0]), "fit changed the features it was given"
    assert np.array_equal(label, given[1]), "fit changed the labels it was given"
    return booster


def test_hyperparameters_have_names_of_their_own_and_defaults_within_bounds(module: Any) -> None:
    names = [each.name for each in module.HYPERPARAMETERS]
    assert len(set(names)) == len(names)
    for each in module.HYPERPARAMETERS:
        assert each.minimum <= each.default <= each.maximum, each.name


def test_fit_gives_the_same_bytes_again(module: Any, booster: xgb.Booster, lab: Lab) -> None:
    assert booster.save_raw("ubj") == fit(module, lab).save_raw("ubj")


def test_each_row_gets_one_finite_prediction(booster: xgb.Booster, lab: Lab) -> None:
    table = read_split(contract(), lab.version / "validation", "validation")
    prediction = predict(booster, encode(contract(), table))
    assert prediction.shape == (table.height,)
    assert np.isfinite(prediction).all()


def test_the_chosen_model_is_one_of_the_modules() -> None:
    chosen = importlib.import_module("model_code.app").model
    assert chosen.__name__.rpartition(".")[2] in MODULES
