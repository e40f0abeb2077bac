"""Who is told of an execution's end, and of which."""

from functools import partial

from run_ended import gateway, notification
from run_ended.context import job_of_state
from run_ended.models import Context, Ended, Execution
from shared import notifying
from shared.environment import RunEndedEnvironment


def tell(ended: Ended, environment: RunEndedEnvironment, *, claimant: str, now: int) -> bool | None:
    """Send the notification, once.

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
    send = partial(_send, ended, environment)
    return notifying.send_once(table, execution.arn, send, claimant=claimant, now=now)


def is_worth_telling(execution: Execution, context: Context, on_success: bool) -> bool:
    """Whether anybody waits to hear of this end: a duplicate has come to nothing."""
    return not execution.succeeded or (context.run is not None and on_success)


def _send(ended: Ended, environment: RunEndedEnvironment, repeated: bool) -> None:
    title = notification.subject(ended, environment.project_name, repeated=repeated)
    ended = ended._replace(
        log=gateway.last_log_lines(job_of_state(ended.context)),
        environment_name=environment.environment_name,
    )
    text = notification.messages(ended, environment.project_name, title=title)
    notifying.publish(environment.topic_arn, title, text)
