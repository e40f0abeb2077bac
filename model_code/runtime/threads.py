"""How many threads a fit may use."""

import os

SMALL_TABLE_ROWS = 50_000


def training_threads(rows: int) -> int:
    """One thread for a small table, where more only wait for each other; else every usable core."""
    if rows < SMALL_TABLE_ROWS:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
