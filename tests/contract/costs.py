"""What contract tests cost on AWS: itemised before they run, and counted while they do."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from mlops.prices import CostLine, cost_line, price_list

REQUESTS_USD = 0.01
"""Allowed for the requests, log lines and stored bytes of one test; they cost less."""


class CapReached(Exception):
    """The budget or the time of a run on AWS is used up."""


def lines_of(item: pytest.Item) -> list[CostLine]:
    """Price what a test declares: `@pytest.mark.costs("ml.m5.large", 0.2)`, in the price's unit."""
    declared = [cost_line(item.name, *mark.args) for mark in item.iter_markers("costs")]
    return [*declared, CostLine(item.name, 1, "test", REQUESTS_USD, "its requests, at most")]


def total(lines: Iterable[CostLine]) -> float:
    """Add up an estimate.

    Raises
    ------
    pytest.UsageError
        If there is no price for something: nothing is run that cannot be estimated.
    """
    usd = 0.0
    for line in lines:
        if line.usd is None:
            raise pytest.UsageError(f"{line.item}: {line.remark}; add it to mlops/prices.toml.")
        usd += line.usd
    return usd


def itemised(lines: Iterable[CostLine]) -> list[str]:
    """Write an estimate as lines of text."""
    lines = list(lines)
    rows = [
        f"  {line.usd or 0:8.4f} USD  {line.item}: {line.quantity:g} {line.unit}" for line in lines
    ]
    return [*rows, f"  {total(lines):8.4f} USD  estimate, {price_list().disclaimer}"]


@dataclass
class Meter:
    """Counts what a run has cost, at least as much as was estimated, and how long it took."""

    budget_usd: float
    minutes: float
    began: float = field(default_factory=time.monotonic)
    spent_usd: float = 0.0

    def spend(self, usd: float) -> None:
        """Count a test's estimate, before it starts.

        Raises
        ------
        CapReached
            If that is more than the budget, or no time is left.
        """
        self.check()
        if self.spent_usd + usd > self.budget_usd:
            raise CapReached(
                f"{self.spent_usd:.2f} USD of {self.budget_usd:.2f} USD are spent; the next test "
                f"costs {usd:.2f} USD. Run it with a larger --budget."
            )
        self.spent_usd += usd

    def check(self) -> None:
        """Raise CapReached where the time is up: whatever runs on would cost more."""
        took = (time.monotonic() - self.began) / 60
        if took > self.minutes:
            raise CapReached(
                f"{took:.0f} minutes have passed, expected at most {self.minutes:g}. Look at what "
                "is slow, or run it with more --minutes."
            )
