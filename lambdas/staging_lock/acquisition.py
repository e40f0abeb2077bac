"""The order in which AcquireStaging asks and decides."""

from shared import records
from staging_lock import gateway, logic
from staging_lock.models import AcquireRequest, Holder, Staging


def acquire(
    request: AcquireRequest,
    table: str,
    *,
    now: int,
    timeout_seconds: int,
    cleanup_timeout_seconds: int,
) -> Staging:
    """Take staging if it is free, ours already, or left behind.

    Raises
    ------
    StagingBusy
        If another one holds it for longer than this one may wait.
    """
    mine = request.execution_arn
    holder = _holder(table, mine)
    free = holder is None or logic.is_stale(
        holder, now=now, cleanup_timeout_seconds=cleanup_timeout_seconds
    )
    instead_of = holder.name if holder else None
    if free and records.take_lock(table, mine, now=now, instead_of=instead_of):
        return logic.acquired(request.staging, mine, now=now)
    return logic.waiting(request.staging, instead_of, now=now, timeout_seconds=timeout_seconds)


def _holder(table: str, mine: str) -> Holder | None:
    """Return who else holds staging."""
    lock = records.lock(table)
    if lock is None or lock.holder == mine:
        return None
    if not logic.is_execution(lock.holder):
        return Holder(lock.holder, lock.since, None, completed=False)
    execution = gateway.describe_execution(lock.holder)
    completed = records.end(table, lock.holder).completed
    return Holder(lock.holder, lock.since, execution, completed)
