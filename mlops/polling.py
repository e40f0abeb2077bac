"""Looking at something again and again, for so long and no longer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def looks(seconds: float, *, every: float) -> Iterator[None]:
    """Yield at once, and again after each pause of `every` seconds until `seconds` are over."""
    deadline = time.monotonic() + seconds
    while True:
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(every)
