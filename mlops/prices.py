"""AWS's list prices, as far as they are known, each with its source and date."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

PRICES_FILE = Path(__file__).with_name("prices.toml")
HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Price:
    """What one unit of something costs in US dollars."""

    usd: float
    per: str
    source: str
    date: date


@dataclass(frozen=True)
class PriceList:
    """The prices of one region."""

    region: str
    prices: dict[str, Price]

    @property
    def disclaimer(self) -> str:
        """Say what these prices are, and what they are not."""
        dates = sorted({price.date for price in self.prices.values()})
        until = f" to {dates[-1]}" if len(dates) > 1 else ""
        return f"list prices of {dates[0]}{until}, {self.region}; not your bill"


@cache
def price_list() -> PriceList:
    """Read the prices that come with the project."""
    document = tomllib.loads(PRICES_FILE.read_text(encoding="utf-8"))
    prices = {name: Price(**entry) for name, entry in document["prices"].items()}
    return PriceList(document["region"], prices)


@dataclass(frozen=True)
class CostLine:
    """Some quantity of something; `usd` is None where its price is not known."""

    item: str
    quantity: float
    unit: str
    usd: float | None
    remark: str = ""


def cost_line(item: str, price: str, quantity: float, remark: str = "") -> CostLine:
    """Price some quantity by an entry of the price list."""
    known = price_list().prices.get(price)
    if known is None:
        remark = f"no price known for {price}" + (f"; {remark}" if remark else "")
        return CostLine(item, quantity, "instance hour", None, remark)
    return CostLine(item, quantity, known.per, quantity * known.usd, remark)
