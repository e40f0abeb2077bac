"""Who may take staging, and how long to wait for it."""

from shared.errors import StagingBusy
from shared.executions import RUNNING
from staging_lock.models import Holder, Staging

LONGEST_WAIT_SECONDS = 30
SHORTEST_WAIT_SECONDS = 2
# So long a Lambda that deletes the endpoint may hold staging.
LAMBDA_HOLDS_SECONDS = 300


def is_execution(holder: str) -> bool:
    """Whether a holder is an execution, not a Lambda on its own."""
    return ":execution:" in holder


def is_stale(holder: Holder, *, now: int, cleanup_timeout_seconds: int) -> bool:
    """Whether staging may be taken from its holder.

    Parameters
    ----------
    cleanup_timeout_seconds
        So long the end of an execution may take to bring the endpoint back: a config that is
        only passing through would become the one that the next run goes back to.
    """
    if not is_execution(holder.name):
        return now - holder.since >= LAMBDA_HOLDS_SECONDS
    if holder.execution is None:
        return True
    if holder.execution.status in RUNNING:
        return False
    stopped_at = holder.execution.stopped_at or holder.since
    return holder.completed or now - stopped_at >= cleanup_timeout_seconds


def acquired(before: Staging, execution_arn: str, *, now: int) -> Staging:
    """Say that staging is ours."""
    started_at = before.started_at or now
    return Staging(
        acquired=True,
        holder=execution_arn,
        waited_seconds=now - started_at,
        started_at=started_at,
    )


def waiting(before: Staging, holder: str | None, *, now: int, timeout_seconds: int) -> Staging:
    """Say how long to wait until the next look.

    Raises
    ------
    StagingBusy
        If the wait has been too long.
    """
    started_at = before.started_at or now
    waited = now - started_at
    if waited >= timeout_seconds:
        raise StagingBusy(
            f"Staging is held by {holder or 'another execution'} after {waited} s, expected it to "
            f"be free within {timeout_seconds} s. Wait for its end, or stop it. If it always takes "
            "longer, raise endpoint.lock_timeout_seconds."
        )
    return Staging(
        holder=holder,
        wait_seconds=_next_wait(before.wait_seconds, timeout_seconds - waited),
        waited_seconds=waited,
        started_at=started_at,
    )


def _next_wait(wait_seconds: int, seconds_left: int) -> int:
    doubled = min(LONGEST_WAIT_SECONDS, max(SHORTEST_WAIT_SECONDS, 2 * wait_seconds))
    return min(doubled, seconds_left)
