"""Looking at something in an account again and again, for so long and no longer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.target import Target


def looks(target: Target, seconds: float) -> Iterator[None]:
    """Yield at once, and again after each of the target's pauses until `seconds` are over."""
    deadline = time.monotonic() + seconds
    while True:
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(target.poll_seconds)
