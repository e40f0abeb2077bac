"""Regression metrics and what a bootstrap says about their spread."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
RESAMPLES = 2_000
BOOTSTRAP_SEED = 20
_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class RegressionMetrics:
    """In the label's unit (rmse, mae), its square (mse), or without unit (r2)."""

    rmse: float
    mse: float
    mae: float
    r2: float

    def as_dict(self) -> dict[str, float]:
        """Return the metrics by name, as evaluation.json has them."""
        return asdict(self)


@dataclass(frozen=True)
class Bootstrap:
    """Spread over resamples of the rows; the same rows for both predictions (paired)."""

    standard_deviation: RegressionMetrics
    rmse_difference_lower_bound: float
    resamples: int


def regression_metrics(label: Values, prediction: Values) -> RegressionMetrics:
    """Compare (n_rows,) predictions with labels; r2 is not finite where all labels are equal."""
    error = prediction - label
    mse = float(np.mean(error**2))
    variance = float(np.var(label))
    return RegressionMetrics(
        rmse=mse**0.5,
        mse=mse,
        mae=float(np.mean(np.abs(error))),
        r2=1 - mse / variance if variance else float("nan"),
    )


def bootstrap(
    label: Values,
    prediction: Values,
    baseline: Values,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Bootstrap:
    """Resample rows with replacement, `resamples` times, the same for model and baseline.

    The lower bound is the 5 % quantile of RMSE(model) - RMSE(baseline): one-sided, 95 %, by the
    percentile method (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
    """
    # Centred, because the variance below is a difference of two means.
    centred = label - label.mean()
    per_row = np.column_stack(
        [
            (prediction - label) ** 2,
            np.abs(prediction - label),
            (baseline - label) ** 2,
            centred,
            centred**2,
        ]
    )
    mse, mae, baseline_mse, mean, mean_square = _resampled_means(per_row, resamples, seed).T
    variance = mean_square - mean**2
    # A resample of one single label has no R2; rounding may leave it a trace of variance.
    varied = variance > 1e-12 * mean_square
    r2 = 1 - mse[varied] / variance[varied]
    difference = np.sqrt(mse) - np.sqrt(baseline_mse)
    return Bootstrap(
        standard_deviation=RegressionMetrics(
            rmse=float(np.std(np.sqrt(mse))),
            mse=float(np.std(mse)),
            mae=float(np.std(mae)),
            r2=float(np.std(r2)) if len(r2) else float("nan"),
        ),
        rmse_difference_lower_bound=float(np.quantile(difference, 0.05)),
        resamples=resamples,
    )


def _resampled_means(per_row: Values, resamples: int, seed: int) -> Values:
    """Average each column over resamples of the rows, (resamples, n_columns) float64."""
    rows = len(per_row)
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK_VALUES // rows)
    means = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        # How often each row is drawn: a resample is then a weighted mean, one matrix product.
        drawn = random.integers(rows, size=(size, rows))
        drawn += np.arange(size)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
        means.append(counts @ per_row / rows)
    return np.concatenate(means)
