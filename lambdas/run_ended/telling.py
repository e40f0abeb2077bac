"""Who sends the one notification of an execution, and whether it was sent."""

from botocore.exceptions import ClientError

from run_ended import gateway, notification
from run_ended.context import job_of_state
from run_ended.models import Context, Ended, Execution
from shared import records
from shared.environment import RunEndedEnvironment

# As long as a Lambda that took the notification may still be about to send it.
CLAIM_SECONDS = 300


def tell(ended: Ended, environment: RunEndedEnvironment, *, claimant: str, now: int) -> bool | None:
    """Send the notification, once; a page that is lost is worse than one that comes twice.

    Who took the notification and died before it was confirmed may not have sent it, so it is
    sent again, and says so.

    Parameters
    ----------
    claimant
        Who sends it: the request's id, which a retry of the same request shares.

    Returns
    -------
    bool or None
        Whether this call has sent it; None while another one may be sending it.
    """
    execution, table = ended.execution, environment.run_table_name
    if not is_worth_telling(execution, ended.context, environment.notify_on_success):
        return False
    former = records.end(table, execution.arn)
    if former.published:
        return False
    if not _claim(table, execution.arn, former, claimant, now):
        return None
    title = notification.subject(ended, environment.project_name, repeated=former.notified)
    ended = ended._replace(
        log=gateway.last_log_lines(job_of_state(ended.context)),
        environment_name=environment.environment_name,
    )
    text = notification.messages(ended, environment.project_name, title=title)
    try:
        gateway.publish(environment.topic_arn, title, text)
    except ClientError as error:
        if _is_refused(error):
            records.release_notification(table, execution.arn, claimant=claimant)
        raise
    records.confirm_notification(table, execution.arn, now=now)
    return True


def is_worth_telling(execution: Execution, context: Context, on_success: bool) -> bool:
    """Whether anybody waits to hear of this end: a duplicate has come to nothing."""
    return not execution.succeeded or (context.run is not None and on_success)


def _claim(table: str, arn: str, former: records.End, claimant: str, now: int) -> bool:
    if not former.notified:
        return records.claim_notification(table, arn, now=now, claimant=claimant)
    if former.claimant != claimant and now - former.claimed_at < CLAIM_SECONDS:
        return False
    return records.reclaim_notification(table, arn, instead_of=former, now=now, claimant=claimant)


def _is_refused(error: ClientError) -> bool:
    """Whether a request was certainly not carried out: an outage may have lost the answer."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500
