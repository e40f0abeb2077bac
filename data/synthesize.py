"""A stand-in for the data set: made-up rows with the published summary statistics.

The statistics are those of the data set's own documentation (abalone.names): the number of rows for
each number of rings; minimum, maximum, mean and standard deviation of each measurement; and its
correlation with the rings. The form of the relations between them is an assumption: animals grow
fast first and slowly later, weights follow the cube of the length, shells go on growing.
"""

import math
import random
from statistics import fmean, pstdev
from typing import NamedTuple

SEED = 20
# Number of rings -> number of animals.
RINGS = {
    1: 1, 2: 1, 3: 15, 4: 57, 5: 115, 6: 259, 7: 391, 8: 568, 9: 689, 10: 634,
    11: 487, 12: 267, 13: 203, 14: 126, 15: 103, 16: 67, 17: 58, 18: 42, 19: 32, 20: 26,
    21: 14, 22: 6, 23: 9, 24: 2, 25: 1, 26: 1, 27: 2, 29: 1,
}  # fmt: skip
MALES, FEMALES = 1528, 1307


class Published(NamedTuple):
    """What is published about a measurement; ``spread`` is its standard deviation."""

    minimum: float
    maximum: float
    mean: float
    spread: float


STATISTICS = {
    "length": Published(0.075, 0.815, 0.524, 0.120),
    "diameter": Published(0.055, 0.650, 0.408, 0.099),
    "height": Published(0.001, 1.130, 0.140, 0.042),
    "whole_weight": Published(0.002, 2.826, 0.829, 0.490),
    "shucked_weight": Published(0.001, 1.488, 0.359, 0.222),
    "viscera_weight": Published(0.001, 0.760, 0.181, 0.110),
    "shell_weight": Published(0.002, 1.005, 0.239, 0.139),
}


def synthesize(seed: int = SEED) -> bytes:
    """Make 4,177 rows as CSV without header; the same seed gives the same bytes."""
    # Made-up data, not secrets: any reproducible generator will do.
    generator = random.Random(seed)  # noqa: S311
    rings = [count for count, animals in RINGS.items() for _ in range(animals)]
    generator.shuffle(rings)
    measured = [_measure(count, generator) for count in rings]
    columns = [
        _scaled([row[position] for row in measured], published)
        for position, published in enumerate(STATISTICS.values())
    ]
    lines = []
    for count, *values in zip(rings, *columns, strict=True):
        sex = _sex(values[0], generator)
        lines.append(",".join([sex, *(f"{value:g}" for value in values), str(count)]))
    return "\n".join([*lines, ""]).encode()


def _measure(rings: int, generator: random.Random) -> tuple[float, ...]:
    """Draw one animal, in the order of `STATISTICS` and in no unit yet."""
    noise = generator.gauss
    length = 1.12 - math.exp(-0.2 * rings) + noise(0, 0.105)
    length = max(length, 0.15)
    flesh = length**3 * math.exp(noise(0, 0.12))
    age = math.log(rings / 10)
    shucked = flesh * math.exp(-0.22 * age + noise(0, 0.1))
    viscera = flesh * math.exp(noise(0, 0.14))
    shell = flesh * math.exp(0.2 * age + noise(0, 0.1))
    return (
        length,
        length + noise(0, 0.02),
        length * math.exp(0.05 * age + noise(0, 0.09)),
        0.45 * shucked + 0.25 * viscera + 0.3 * shell,
        shucked,
        viscera,
        shell,
    )


def _scaled(values: list[float], published: Published) -> list[float]:
    """Give values the published mean and spread, within the published range."""
    mean, spread = fmean(values), pstdev(values)
    scaled = (published.mean + published.spread * (value - mean) / spread for value in values)
    # Reflected at the minimum, not cut off, which would make equal rows of different animals.
    reflected = (published.minimum + abs(value - published.minimum) for value in scaled)
    return [round(min(value, published.maximum), 4) for value in reflected]


def _sex(length: float, generator: random.Random) -> str:
    """Draw the sex: small animals are mostly infants (I)."""
    if generator.random() < 1 / (1 + math.exp((length - 0.45) / 0.06)):
        return "I"
    return "M" if generator.random() < MALES / (MALES + FEMALES) else "F"
