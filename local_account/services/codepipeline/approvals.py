"""Approval actions: somebody is asked, and the stage waits for the answer.

Source: AWS documentation "JSON data format for manual approval notifications".
"""

import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local_account.service import ServiceError
from local_account.services.codepipeline.artifacts import is_denied
from local_account.services.codepipeline.records import ActionFailed, ActionRun, Result
from local_account.services.codepipeline.work import Work

_POLL_SECONDS = 0.1
_DEFAULT_MINUTES = 7 * 24 * 60


def ask(work: Work) -> Result:
    """Wait until somebody approves; a rejection fails the action, and so does silence."""
    run = work.run
    seconds = 60 * int(run.action.get("timeoutInMinutes", _DEFAULT_MINUTES))
    work.run.token = str(uuid.uuid4())
    if topic := run.configuration.get("NotificationArn"):
        _notify(work, topic, time.time() + seconds)
    decision = work.until(lambda: run.decision or None, _POLL_SECONDS, seconds)
    if decision is None:
        raise ActionFailed("JobFailed", f"Nobody approved or rejected within {seconds} seconds")
    result = Result(summary=decision["summary"])
    if decision["status"] == "Rejected":
        words = f"Rejected by {run.updated_by}: {decision['summary']}"
        raise ActionFailed("JobFailed", words, result)
    return result


def decide(run: ActionRun | None, token: str, result: Mapping[str, str], by: str) -> None:
    """Hand in somebody's answer.

    Raises
    ------
    ServiceError
        If that approval is not asked for, or was answered.
    """
    if run is None or run.token != token:
        message = f"The approval token {token} is not that of the current approval request."
        raise ServiceError("InvalidApprovalTokenException", message)
    if run.decision or run.status != "InProgress":
        message = f"The approval action {run.name} has already been approved or rejected."
        raise ServiceError("ApprovalAlreadyCompletedException", message)
    run.updated_by = by
    run.decision = dict(result)


def _notify(work: Work, topic: str, expires: float) -> None:
    name = work.pipeline.name
    message = json.dumps(_message(work, expires))
    subject = f"APPROVAL NEEDED: AWS CodePipeline {name} for action {work.run.name}"
    try:
        work.role.client("sns").publish(TopicArn=topic, Message=message, Subject=subject[:100])
    except ClientError as error:
        code = "PermissionError" if is_denied(error) else "ConfigurationError"
        raise ActionFailed(code, f"The approval could not be asked for: {error}") from error


def _message(work: Work, expires: float) -> dict[str, Any]:
    run, region = work.run, work.account.region
    console = f"https://console.aws.amazon.com/codepipeline/home?region={region}#/view"
    place = f"{console}/{work.pipeline.name}"
    configuration = run.configuration
    return {
        "region": region,
        "consoleLink": place,
        "approval": {
            "pipelineName": work.pipeline.name,
            "stageName": run.stage,
            "actionName": run.name,
            "token": run.token,
            "expires": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%MZ"),
            "externalEntityLink": configuration.get("ExternalEntityLink"),
            "approvalReviewLink": f"{place}/{run.stage}/{run.name}/approve/{run.token}",
            "customData": configuration.get("CustomData"),
        },
    }
