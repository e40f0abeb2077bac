"""The stand-in has the published statistics and nothing of the published rows."""

import hashlib
import os
from collections import Counter
from pathlib import Path
from statistics import correlation, fmean, pstdev

import pytest

from data.synthesize import RINGS, STATISTICS, synthesize

# abalone.names, "Correl": with the rings, in the order of STATISTICS.
CORRELATIONS = [0.557, 0.575, 0.557, 0.540, 0.421, 0.504, 0.628]


@pytest.fixture(scope="module")
def columns() -> list[list[str]]:
    return [list(column) for column in zip(*rows(), strict=True)]


def rows() -> list[list[str]]:
    return [line.split(",") for line in synthesize().decode().splitlines()]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert synthesize() == synthesize()
    assert synthesize(1) != synthesize(2)


def test_the_bytes_are_those_of_every_supported_python() -> None:
    assert hashlib.sha256(synthesize()).hexdigest().startswith("78c193c05c17")


def test_rings_are_distributed_as_published(columns: list[list[str]]) -> None:
    assert Counter(map(int, columns[-1])) == RINGS
    assert len(columns[-1]) == 4177


def test_measurements_have_the_published_mean_spread_and_range(columns: list[list[str]]) -> None:
    for published, texts in zip(STATISTICS.values(), columns[1:-1], strict=True):
        values = list(map(float, texts))
        assert fmean(values) == pytest.approx(published.mean, rel=0.01)
        assert pstdev(values) == pytest.approx(published.spread, rel=0.02)
        assert min(values) >= published.minimum
        assert max(values) <= published.maximum


def test_measurements_correlate_with_the_rings_about_as_published(
    columns: list[list[str]],
) -> None:
    rings = list(map(float, columns[-1]))
    for texts, published in zip(columns[1:-1], CORRELATIONS, strict=True):
        assert correlation(list(map(float, texts)), rings) == pytest.approx(published, abs=0.05)


def test_sexes_are_in_the_published_proportions(columns: list[list[str]]) -> None:
    counts = Counter(columns[0])
    for sex, published in {"M": 1528, "F": 1307, "I": 1342}.items():
        assert counts[sex] == pytest.approx(published, rel=0.1)


def test_no_row_is_a_published_one() -> None:
    path = os.environ.get("ABALONE_DATA")
    if not path:
        pytest.skip("$ABALONE_DATA names no copy of the published data")
    assert not set(synthesize().splitlines()) & set(Path(path).read_bytes().splitlines())
