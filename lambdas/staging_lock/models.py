"""Shapes that AcquireStaging reads and returns."""

from typing import NamedTuple

from shared.events import Request


class Staging(Request):
    """The wait for staging as the state machine knows it; `started_at` 0 is the first look."""

    acquired: bool = False
    holder: str | None = None
    wait_seconds: int = 0
    waited_seconds: int = 0
    started_at: int = 0


class AcquireRequest(Request):
    """Who wants staging, and what it knows from its former look."""

    execution_arn: str
    staging: Staging = Staging()


class Execution(NamedTuple):
    """An execution that holds staging; `stopped_at` (epoch seconds) is None while it runs."""

    status: str
    stopped_at: int | None


class Holder(NamedTuple):
    """What is known of who holds staging; `execution` is None where there is none (any more)."""

    name: str
    since: int
    execution: Execution | None
    completed: bool
