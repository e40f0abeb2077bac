"""The order in which RunEnded looks, cleans, tells and completes.

Every step looks before it acts and may be repeated at any time: events come twice, late and in
any order, and the Lambda may die between any two requests. What AWS refuses is kept for the end
instead of stopping the rest.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from run_ended import gateway, versions
from run_ended.context import WITHOUT_HISTORY, jobs_of, read_context
from run_ended.models import Context, Ended, Execution, Outcome, RunEndedRequest, Staging, Version
from run_ended.staging import StagingArea, remove_run, remove_surplus
from run_ended.telling import tell
from shared import records
from shared.environment import RunEndedEnvironment
from shared.errors import CleaningIncomplete

Result = TypeVar("Result")
EXECUTION = ":execution:"
UNKNOWN_STAGING = Staging(pending=True, said="what it serves could not be found out.")


def end_what_ended(
    request: RunEndedRequest, environment: RunEndedEnvironment, *, claimant: str, now: int
) -> Outcome:
    """Bring an execution to its end: the one of the event, or else the one that holds staging.

    Raises
    ------
    CleaningIncomplete
        If AWS refused some step; the others are done.
    """
    arn = request.ended_arn or _holder(environment.run_table_name)
    if arn is None:
        return Outcome("Unknown", "")
    return Ending(environment, claimant, now).end(arn)


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

    def end(self, arn: str) -> Outcome:
        """Do what is left to do, if the execution has ended."""
        execution = gateway.execution(arn)
        if execution is None:
            records.release_lock(self._table, arn)
            return Outcome("Unknown", arn)
        if execution.status in gateway.RUNNING:
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
        if self._problems:
            raise CleaningIncomplete(
                f"Execution {execution.arn}: {'; '.join(self._problems)}. It is tried again; "
                "correct what is refused."
            )
        late = ended.version is None and versions.may_come_late(
            execution, ended.context, now=self._now
        )
        if ended.staging.pending or told is None or late:
            return Outcome("Pending", execution.arn, bool(told))
        records.complete_end(self._table, execution.arn, now=self._now)
        return Outcome("Completed", execution.arn, told)

    def _attempt(self, what: str, step: Callable[[], Result], otherwise: Result) -> Result:
        try:
            return step()
        except (ClientError, BotoCoreError, CleaningIncomplete) as error:
            self._problems.append(f"{what}: {' '.join(str(error).split())}")
            return otherwise

    def _clean(self, execution: Execution) -> Ended:
        context = self._attempt(
            "Reading the history",
            lambda: read_context(gateway.newest_events(execution.arn)),
            WITHOUT_HISTORY,
        )
        if self._problems and not execution.succeeded:
            version, staging = None, UNKNOWN_STAGING
        elif execution.succeeded:
            version, staging = self._after_success(execution, context)
        else:
            version, staging = self._after_failure(execution, context)
        return Ended(execution, context, version, staging, tuple(self._problems), ())

    def _after_success(
        self, execution: Execution, context: Context
    ) -> tuple[Version | None, Staging]:
        version = self._attempt(
            "Reading the model version",
            lambda: versions.find(execution, context, self._environment),
            None,
        )
        unknown = UNKNOWN_STAGING._replace(pending=False)
        staging = self._attempt("Looking at staging", self._staging.look, unknown)
        run, environment = context.run, self._environment
        if run and run.status == "New":
            project, kept = environment.project_name, environment.kept_configs
            self._attempt(
                "Deleting what earlier runs left",
                lambda: remove_surplus(run, project=project, kept=kept),
                None,
            )
        return version, staging

    def _after_failure(
        self, execution: Execution, context: Context
    ) -> tuple[Version | None, Staging]:
        run = context.run
        for job in jobs_of(run) if run else ():
            self._attempt(f"Stopping job {job.name}", partial(gateway.stop, job), False)
        version = self._attempt(
            "Rejecting the model version",
            lambda: versions.reject(execution, context, self._environment),
            None,
        )
        staging = self._attempt(
            "Restoring staging",
            lambda: self._staging.settle(context, execution.arn),
            UNKNOWN_STAGING,
        )
        if run and not staging.pending:
            self._attempt(
                f"Deleting endpoint config and model {run.name}", lambda: remove_run(run), None
            )
        return version, staging

    def _tell(self, ended: Ended) -> bool | None:
        return tell(ended, self._environment, claimant=self._claimant, now=self._now)
