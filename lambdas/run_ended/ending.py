"""The order in which RunEnded looks, cleans, tells and completes.

Every step looks before it acts and may be repeated at any time: events come twice, late and in
any order, and the Lambda may die between any two requests. What AWS refuses is kept for the end
instead of stopping the rest.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from run_ended import cleaning, gateway, versions
from run_ended.context import (
    REGISTERING,
    WITHOUT_HISTORY,
    job_of_state,
    jobs_of,
    read_context,
)
from run_ended.models import (
    Context,
    Ended,
    Execution,
    Job,
    Outcome,
    RunEndedRequest,
    RunFields,
    Staging,
)
from run_ended.staging import StagingArea, remove_run, remove_surplus
from run_ended.telling import tell
from shared import records
from shared.environment import RunEndedEnvironment
from shared.errors import CleaningIncomplete, ServiceUnavailable
from shared.executions import RUNNING
from shared.outages import named_outages

Result = TypeVar("Result")
EXECUTION = ":execution:"
# Less than Lambda takes for all its tries: the last one tells what it knows.
OUTAGE_SECONDS = 120
UNKNOWN_STAGING = Staging(pending=True, said="what it serves could not be found out.")


def end_what_ended(
    request: RunEndedRequest, environment: RunEndedEnvironment, *, claimant: str, now: int
) -> Outcome:
    """Bring an execution to its end: the one of the event, or else the one that holds staging.

    Raises
    ------
    CleaningIncomplete
        If AWS refused some step, and the others are done; or if it knows too little so far.
    """
    arn = request.ended_arn or _holder(environment.run_table_name)
    if arn is None:
        return Outcome("Unknown", "")
    return Ending(environment, claimant, now).end(arn, request)


def _holder(table: str) -> str | None:
    lock = records.lock(table)
    return lock.holder if lock and EXECUTION in lock.holder else None


class Ending:
    """One look at one execution.

    Parameters
    ----------
    claimant
        Who sends the notification: the request's id, which a retry of the request shares.
    now
        Epoch seconds.
    """

    def __init__(self, environment: RunEndedEnvironment, claimant: str, now: int) -> None:
        self._environment = environment
        self._table = environment.run_table_name
        self._claimant = claimant
        self._now = now
        self._staging = StagingArea(self._table, environment.endpoint_name)
        self._problems: list[str] = []

    def end(self, arn: str, request: RunEndedRequest) -> Outcome:
        """Do what is left to do, if the execution has ended."""
        execution = gateway.execution(arn)
        if execution is None:
            records.release_lock(self._table, arn)
            return Outcome("Unknown", arn)
        if request.outdates(execution):
            raise CleaningIncomplete(
                f"Execution {arn}: its event says that it has ended, DescribeExecution that it is "
                f"{execution.status} so far. It is tried again; nothing is to be done."
            )
        if execution.status in RUNNING:
            return Outcome("Running", arn)
        records.begin_end(self._table, arn, redrives=execution.redrives, now=self._now)
        if records.end(self._table, arn).completed:
            records.release_lock(self._table, arn)
            return Outcome("Duplicate", arn)
        return self._finish(execution)

    def _finish(self, execution: Execution) -> Outcome:
        ended = self._clean(execution)
        told = self._attempt("Sending the notification", lambda: self._tell(ended), None)
        if not ended.staging.pending:
            records.release_lock(self._table, execution.arn)
        if execution.succeeded and ended.context.run:
            self._attempt(
                "Deleting what earlier runs left",
                partial(self._remove_surplus, ended.context.run),
                None,
            )
        if self._problems:
            raise CleaningIncomplete(
                f"Execution {execution.arn}: {'; '.join(self._problems)}. It is tried again; "
                "correct what is refused."
            )
        if ended.staging.pending or told is None or ended.may_come_late:
            return Outcome("Pending", execution.arn, bool(told))
        records.complete_end(self._table, execution.arn, now=self._now)
        given_up = ended.staging.said if ended.staging.given_up else ""
        return Outcome("Completed", execution.arn, told, given_up)

    def _attempt(self, what: str, step: Callable[[], Result], otherwise: Result) -> Result:
        try:
            return step()
        except (ClientError, BotoCoreError, ServiceUnavailable) as error:
            self._problems.append(f"{what}: {' '.join(str(error).split())}")
            return otherwise

    def _clean(self, execution: Execution) -> Ended:
        context = self._attempt(
            "Reading the history", partial(self._read_context, execution), WITHOUT_HISTORY
        )
        if execution.succeeded:
            return self._after_success(execution, context)
        if self._problems:
            return Ended(execution, context, None, UNKNOWN_STAGING, tuple(self._problems), ())
        return self._after_failure(execution, context)

    def _read_context(self, execution: Execution) -> Context:
        """Read the history; what is only throttled is waited for, before anybody is told less."""
        try:
            with named_outages():
                return read_context(gateway.newest_events(execution.arn))
        except ServiceUnavailable as error:
            if execution.seconds_since(self._now) < OUTAGE_SECONDS:
                raise CleaningIncomplete(f"Execution {execution.arn}: {error}") from error
            raise

    def _after_success(self, execution: Execution, context: Context) -> Ended:
        version = self._attempt(
            "Reading the model version",
            lambda: versions.find(execution, context, self._environment),
            None,
        )
        unknown = UNKNOWN_STAGING._replace(pending=False)
        staging = self._attempt("Looking at staging", self._staging.look, unknown)
        return Ended(execution, context, version, staging, tuple(self._problems), ())

    def _remove_surplus(self, run: RunFields) -> None:
        """Delete last: it may take long, and neither people nor the next run wait for it."""
        environment = self._environment
        remove_surplus(
            run,
            project=environment.project_name,
            bucket=environment.bucket_name,
            kept=environment.kept_configs,
        )

    def _after_failure(self, execution: Execution, context: Context) -> Ended:
        run = context.run
        absent = [job for job in jobs_of(run) if not self._stop(job)] if run else []
        version = self._attempt(
            "Rejecting the model version",
            lambda: versions.reject(execution, context, self._environment),
            None,
        )
        staging = self._attempt(
            "Restoring staging",
            lambda: self._staging.settle(execution, context, now=self._now),
            UNKNOWN_STAGING,
        )
        if run and not staging.pending:
            self._attempt(
                f"Deleting endpoint config and model {run.name}", lambda: remove_run(run), None
            )
        lacks = job_of_state(context) in absent or (context.state == REGISTERING and not version)
        late = lacks and cleaning.was_cut_short(execution, now=self._now)
        return Ended(execution, context, version, staging, tuple(self._problems), (), late)

    def _stop(self, job: Job) -> bool:
        return self._attempt(f"Stopping job {job.name}", partial(gateway.stop, job), True)

    def _tell(self, ended: Ended) -> bool | None:
        return tell(ended, self._environment, claimant=self._claimant, now=self._now)
