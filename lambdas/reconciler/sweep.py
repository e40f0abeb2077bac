"""The order in which the reconciler looks: each part for itself, so that one may fail."""

from collections.abc import Callable, Iterator
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from reconciler import gateway, logic
from reconciler.models import DatasetVersion, Found
from shared import records
from shared.datasets import execution_name, manifest_key
from shared.environment import ReconcilerEnvironment
from shared.errors import ReconcilingIncomplete
from shared.executions import RUNNING

EXPIRY = "endpoint-expiry"
EXECUTION = ":execution:"
# What one call hands to other Lambdas at most, of each kind; the next call goes on.
HANDED_AT_MOST = 100


class Sweep:
    """One look at everything that an event may have been lost for.

    Parameters
    ----------
    now
        The time, with its zone: ages are counted from it.
    """

    def __init__(self, environment: ReconcilerEnvironment, now: datetime) -> None:
        self._environment = environment
        self._table = environment.run_table_name
        self._now = now
        self._problems: list[str] = []
        self._handed: set[str] = set()
        self.found = Found()
        self.given_up: list[str] = []

    def run(self) -> None:
        """Look at executions, uploads and the endpoint.

        Raises
        ------
        ReconcilingIncomplete
            If AWS refused something; everything else was looked at.
        """
        self._attempt("Executions", self.end_executions)
        self._attempt("Staging's holder", self.end_lock_holder)
        # The listing of a large bucket takes long, an endpoint past its time costs money.
        self._attempt("Staging endpoint", self.expire_endpoint)
        self._attempt("Uploads", self.start_uploads)
        if self._problems:
            raise ReconcilingIncomplete(
                f"{'; '.join(self._problems)}. The rest was looked at; correct what is refused."
            )

    def _attempt(self, what: str, part: Callable[[], None]) -> None:
        try:
            part()
        except (ClientError, BotoCoreError) as error:
            self._problems.append(f"{what}: {' '.join(str(error).split())}")

    def end_executions(self) -> None:
        """Bring executions to their end that ended without RunEnded, or were not completed."""
        for execution in gateway.ended_executions(
            self._environment.state_machine_arn, stopped_after=self._now - logic.DAY
        ):
            if not logic.has_ended_lately(execution, self._now):
                continue
            end = records.end(self._table, execution.arn)
            is_this_end = end.begun and end.redrives >= execution.redrives
            if is_this_end and end.completed:
                continue
            if len(self._handed) == HANDED_AT_MOST:
                self.found.skipped += 1
                continue
            self._end(execution.arn)
            if is_this_end:
                self.found.repeated_executions += 1
            else:
                self.found.lost_executions += 1

    def end_lock_holder(self) -> None:
        """Free staging of an execution that has ended, and of a dead Lambda."""
        lock = records.lock(self._table)
        if lock is None:
            return
        if EXECUTION in lock.holder:
            self._end_holder(lock.holder)
        elif self._now.timestamp() - lock.since >= logic.EXPIRY_HOLDS_SECONDS:
            records.release_lock(self._table, lock.holder)

    def _end_holder(self, arn: str) -> None:
        """Hand over its end, or give it up: what fails for a day fills the dead-letter queue."""
        execution = gateway.execution(arn)
        if execution and execution.status in RUNNING:
            return
        if execution and logic.is_given_up(execution.stopped, self._now):
            records.release_lock(self._table, arn)
            self.given_up.append(arn)
        else:
            self._end(arn)

    def _end(self, execution_arn: str) -> None:
        if execution_arn not in self._handed:
            function_arn = self._environment.run_ended_function_arn
            gateway.invoke(function_arn, {"execution_arn": execution_arn})
            self._handed.add(execution_arn)

    def start_uploads(self) -> None:
        """Start runs of manifests that started none, and seal files that nobody sealed."""
        bucket = self._environment.bucket_name
        versions = logic.dataset_versions(gateway.dataset_objects(bucket))
        for index, (function_arn, request) in enumerate(self._lost_uploads(versions)):
            if index < HANDED_AT_MOST:
                gateway.invoke(function_arn, request)
                self.found.lost_uploads += 1
            else:
                self.found.skipped += 1

    def _lost_uploads(
        self, versions: list[DatasetVersion]
    ) -> Iterator[tuple[str, dict[str, object]]]:
        environment = self._environment
        quiet_seconds = environment.quiet_period_seconds
        imageless = gateway.imageless(
            environment.state_machine_arn, environment.image_parameter_name
        )
        for version in versions:
            if logic.is_unsealed(version, self._now, quiet_seconds=quiet_seconds):
                asked = {"dataset": version.name, "quiet_seconds": quiet_seconds}
                yield environment.dataset_sealer_function_arn, asked
            elif logic.may_have_lost_its_run(version, self._now, imageless):
                request = self._lost_manifest(version)
                if request:
                    yield environment.start_run_function_arn, request

    def _lost_manifest(self, version: DatasetVersion) -> dict[str, object] | None:
        """Return what to ask StartRun for, if the manifest's execution does not exist."""
        environment, key = self._environment, manifest_key(version.name)
        stored = gateway.manifest(environment.bucket_name, version.name)
        if stored is None:
            return None
        name = execution_name(environment.bucket_name, key, stored.version_id, etag=stored.etag)
        arn = logic.execution_arn(environment.state_machine_arn, name)
        if gateway.execution(arn) is not None:
            return None
        return {"manifest_key": key, "version_id": stored.version_id, "etag": stored.etag}

    def expire_endpoint(self) -> None:
        """Delete the staging endpoint after its time, unless a run is staging."""
        if not self._is_expired():
            return
        if not records.take_lock(self._table, EXPIRY, now=int(self._now.timestamp())):
            return
        try:
            # A run may have deployed, and freed staging, since the first look.
            if self._is_expired():
                gateway.delete_endpoint(self._environment.endpoint_name)
                self.found.expired_endpoints += 1
        finally:
            records.release_lock(self._table, EXPIRY)

    def _is_expired(self) -> bool:
        return logic.is_expired(
            gateway.endpoint(self._environment.endpoint_name),
            self._now,
            time_to_live_seconds=self._environment.endpoint_time_to_live_seconds,
        )
