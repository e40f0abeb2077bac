"""Metrics and bootstrap against figures that can be worked out otherwise."""

import math

import numpy as np
import pytest

from model_code.runtime import metrics
from model_code.runtime.metrics import Values, bootstrap, regression_metrics


def sample(rows: int = 800, noise: float = 1.0, seed: int = 1) -> tuple[Values, Values]:
    random = np.random.default_rng(seed)
    label = random.normal(10, 3, rows)
    return label, label + random.normal(0, noise, rows)


def test_metrics_of_a_hand_made_example() -> None:
    found = regression_metrics(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 8.0]))
    assert found.as_dict() == {"rmse": 2.0, "mse": 4.0, "mae": 1.0, "r2": 1 - 16 / 5}


def test_r2_of_one_single_label_value_is_not_finite() -> None:
    assert math.isnan(regression_metrics(np.ones(3), np.zeros(3)).r2)


def test_the_mean_as_prediction_has_an_r2_of_zero() -> None:
    label, _ = sample()
    assert regression_metrics(label, np.full(len(label), label.mean())).r2 == pytest.approx(0)


def test_the_bootstrap_spread_of_rmse_agrees_with_theory() -> None:
    label, prediction = sample(rows=2000)
    spread = bootstrap(label, prediction, prediction).standard_deviation
    # The spread of a normal sample's standard deviation: sigma / sqrt(2 n).
    assert spread.rmse == pytest.approx(1 / math.sqrt(2 * 2000), rel=0.15)
    assert 0 < spread.r2 < 0.02


def test_resamples_of_one_single_label_do_not_spoil_the_spread_of_r2() -> None:
    label = np.array([9.0] * 19 + [10.0])
    prediction = label + np.random.default_rng(1).normal(0, 0.1, len(label))
    assert 0 < bootstrap(label, prediction, prediction).standard_deviation.r2 < 1
    constant = np.full(20, 9.1)
    assert math.isnan(bootstrap(constant, prediction, prediction).standard_deviation.r2)


def test_a_worse_model_has_a_lower_bound_above_zero_and_a_better_one_below() -> None:
    label, good = sample(noise=1.0)
    _, bad = sample(noise=2.0)
    assert bootstrap(label, bad, good).rmse_difference_lower_bound > 0.5
    assert bootstrap(label, good, bad).rmse_difference_lower_bound < -0.5


def test_the_same_prediction_as_the_baseline_differs_by_nothing_in_every_resample() -> None:
    label, prediction = sample()
    assert bootstrap(label, prediction, prediction).rmse_difference_lower_bound == 0


def test_the_bootstrap_is_reproducible_and_depends_on_its_seed() -> None:
    label, prediction = sample()
    baseline = np.full(len(label), label.mean())
    assert bootstrap(label, prediction, baseline) == bootstrap(label, prediction, baseline)
    assert bootstrap(label, prediction, baseline, seed=1) != bootstrap(label, prediction, baseline)


def test_blocks_do_not_change_the_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    label, prediction = sample(rows=50)
    whole = bootstrap(label, prediction, label + 1, resamples=64)
    monkeypatch.setattr(metrics, "_BLOCK_VALUES", 500)
    assert bootstrap(label, prediction, label + 1, resamples=64) == whole
