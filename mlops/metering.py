"""What goes on costs: counted while it goes on, at list prices, with a limit that stops it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops.errors import BudgetError
from mlops.prices import HOURS_A_MONTH, cost_line, price_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlops.prices import CostLine


_UNIT_HOURS = {"month": HOURS_A_MONTH, "minute": 1 / 60}


@dataclass(frozen=True)
class Rate:
    """Something that costs as long as it lasts; `count` is how many of the price's units."""

    item: str
    price: str
    count: float = 1.0

    def line(self, hours: float) -> CostLine:
        """Price some hours of it."""
        known = price_list().prices.get(self.price)
        unit = known.per.rpartition(" ")[2] if known else ""
        quantity = self.count * hours / _UNIT_HOURS.get(unit, 1)
        return cost_line(
            self.item, self.price, quantity, f"{self.count:g} for {hours * 60:.0f} min"
        )


def total_usd(lines: Sequence[CostLine]) -> float:
    """Add up an estimate.

    Raises
    ------
    BudgetError
        If there is no price for something, for then nobody knows when to stop.
    """
    unknown = [line for line in lines if line.usd is None]
    if unknown:
        raise BudgetError(
            f"{unknown[0].item}: {unknown[0].remark}. Add it to mlops/prices.toml, or choose an "
            "instance type that is there."
        )
    return sum(line.usd or 0.0 for line in lines)


@dataclass
class Meter:
    """Counts what has begun, and for how long; the clock is the caller's."""

    max_usd: float
    clock: Callable[[], float] = time.monotonic
    _began: dict[Rate, float] = field(default_factory=dict)
    _ended: list[CostLine] = field(default_factory=list)

    def begin(self, *rates: Rate) -> None:
        """Count from now on; what is counted already goes on."""
        for rate in rates:
            self._began.setdefault(rate, self.clock())

    def end(self, *rates: Rate) -> None:
        """Count no longer."""
        for rate in rates:
            began = self._began.pop(rate)
            self._ended.append(rate.line((self.clock() - began) / 3600))

    def lines(self) -> Iterator[CostLine]:
        """Itemise what has been used so far."""
        yield from self._ended
        for rate, began in list(self._began.items()):
            yield rate.line((self.clock() - began) / 3600)

    @property
    def usd(self) -> float:
        """What has been used so far, as an estimate."""
        return total_usd(list(self.lines()))

    def check(self) -> None:
        """Do nothing as long as the limit is kept.

        Raises
        ------
        BudgetError
            If more than that has been used.
        """
        if self.usd > self.max_usd:
            raise BudgetError(
                f"about {self.usd:.2f} USD are used, --max-cost is {self.max_usd:.2f} USD: what "
                "runs is stopped and taken away. Look at what was slow, or allow more."
            )
