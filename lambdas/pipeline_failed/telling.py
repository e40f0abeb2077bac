"""The order in which PipelineFailed looks and tells.

A notification that says less is better than none: what cannot be found out is said in it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_failed import gateway, logic
from pipeline_failed.models import Build, FailedAction, Failure, Outcome, PipelineFailedRequest
from shared import notices, notifying
from shared.environment import PipelineFailedEnvironment

Found = TypeVar("Found")


def tell(
    request: PipelineFailedRequest,
    environment: PipelineFailedEnvironment,
    *,
    claimant: str,
    now: int,
) -> Outcome:
    """Tell of an action that failed, once; of a run that failed, RunEnded tells.

    Parameters
    ----------
    claimant
        Who sends it: the request's id, which a retry of the same request shares.
    now
        Epoch seconds.
    """
    failed = request.detail
    outcome = partial(
        Outcome,
        pipeline=failed.pipeline,
        execution_id=failed.execution_id,
        stage=failed.stage,
        action=failed.action,
    )
    if failed.is_told_of_by_its_run:
        return outcome("ToldByRun")
    send = partial(_send, failed, environment)
    table = environment.run_table_name
    sent = notifying.send_once(table, request.key, send, claimant=claimant, now=now)
    return outcome("Notified" if sent else "Duplicate")


def _send(failed: FailedAction, environment: PipelineFailedEnvironment, repeated: bool) -> None:
    failure = Looking(failed).failure()
    project = environment.project_name
    title = logic.subject(failed, failure, project, repeated=repeated)
    notice = logic.notice(
        failed, failure, project=project, environment_name=environment.environment_name
    )
    notifying.publish(environment.topic_arn, title, notices.messages(notice, title=title))


class Looking:
    """What can be found out of one action that failed."""

    def __init__(self, failed: FailedAction) -> None:
        self._failed = failed
        self._unknown: list[str] = []

    def failure(self) -> Failure:
        """Look everywhere, and keep what is refused."""
        failed = self._failed
        place = (failed.pipeline, failed.execution_id)
        source = self._found("The commit", lambda: logic.source_of(gateway.revisions(*place)), None)
        build = self._found("The build", self._build, None)
        error = "" if build else self._found("The reason", self._error, "")
        log: tuple[str, ...] = ()
        if build:
            read = partial(gateway.last_log_lines, build.log_group, build.log_stream)
            log = self._found("The log", read, ())
        return Failure(source, build, error, log, tuple(self._unknown))

    def _build(self) -> Build | None:
        described = (
            gateway.described_build(self._failed.build_id) if self._failed.build_id else None
        )
        return logic.build_of(described) if described else None

    def _error(self) -> str:
        failed = self._failed
        tries = gateway.action_executions(failed.pipeline, failed.execution_id)
        return logic.error_of(failed, tries)

    def _found(self, what: str, look: Callable[[], Found], otherwise: Found) -> Found:
        try:
            return look()
        except (ClientError, BotoCoreError) as error:
            self._unknown.append(f"{what}: {' '.join(str(error).split())}")
            return otherwise
