"""Sending a notification once; a page that is lost is worse than one that comes twice."""

import json
from collections.abc import Callable, Mapping

from botocore.exceptions import ClientError

from shared import aws, records

# As long as a Lambda that took the notification may still be about to send it.
CLAIM_SECONDS = 300


def send_once(
    table: str, ended: str, send: Callable[[bool], None], *, claimant: str, now: int
) -> bool | None:
    """Send the notification of an end, unless it was sent.

    Who took the notification and died before it was confirmed may not have sent it, so it is
    sent again, and says so.

    Parameters
    ----------
    ended
        What has ended: an execution by its ARN, or an action of the pipeline by its key.
    send
        Sends it; is told whether it may be sent a second time.
    claimant
        Who sends it: the request's id, which a retry of the same request shares.

    Returns
    -------
    bool or None
        Whether this call has sent it; None while another one may be sending it.
    """
    former = records.end(table, ended)
    if former.published:
        return False
    if not _claim(table, ended, former, claimant, now):
        return None
    try:
        send(former.notified)
    except ClientError as error:
        if _is_refused(error):
            records.release_notification(table, ended, claimant=claimant)
        raise
    records.confirm_notification(table, ended, now=now)
    return True


def publish(topic_arn: str, subject: str, messages: Mapping[str, str]) -> None:
    """Send a notification that reads differently by protocol."""
    aws.sns().publish(
        TopicArn=topic_arn,
        Subject=subject,
        Message=json.dumps(messages),
        MessageStructure="json",
    )


def _claim(table: str, ended: str, former: records.End, claimant: str, now: int) -> bool:
    if not former.notified:
        return records.claim_notification(table, ended, now=now, claimant=claimant)
    if former.claimant != claimant and now - former.claimed_at < CLAIM_SECONDS:
        return False
    return records.reclaim_notification(table, ended, instead_of=former, now=now, claimant=claimant)


def _is_refused(error: ClientError) -> bool:
    """Whether a request was certainly not carried out: an outage may have lost the answer."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500
