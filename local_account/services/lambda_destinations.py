"""Lambda: where the outcome of an asynchronous invocation is sent, and how it is worded.

Source: AWS documentation "Capturing records of Lambda asynchronous invocations".
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.authorization.identities import Credentials
from local_account.service import Account, ServiceError
from local_account.services.lambda_worker import Function, Invocation

SERVICE = "lambda.amazonaws.com"
_MAX_MESSAGE_BYTES = 1024


def session_of(account: Account, function: Function) -> Credentials:
    """Return what a function's code signs with: a session of the function's role.

    Raises
    ------
    ServiceError
        If Lambda may not take the role.
    """
    latest = ":".join(function.arn.split(":")[:7])
    return account.identities.of_role(function.role, SERVICE, function.name, latest)


@dataclass(frozen=True)
class Outcome:
    """How an asynchronous invocation ended, after how many attempts, and the last one's answer."""

    function: Function
    payload: bytes
    request_id: str
    condition: str
    attempts: int
    answer: Invocation | None

    @property
    def succeeded(self) -> bool:
        """Whether the function answered without an error."""
        return self.condition == "Success"


def send_outcome(account: Account, outcome: Outcome) -> None:
    """Send an outcome where the function's settings say; say what could not be sent."""
    event = outcome.function.event
    destination = event.on_success if outcome.succeeded else event.on_failure
    if destination:
        _attempt(account, outcome, destination, json.dumps(record(outcome)), {})
    if event.dead_letter_arn and not outcome.succeeded:
        body = outcome.payload.decode(errors="replace")
        _attempt(account, outcome, event.dead_letter_arn, body, _attributes(outcome))


def record(outcome: Outcome) -> dict[str, Any]:
    """Return the record that destinations get."""
    function, answer = outcome.function, outcome.answer
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    answered: dict[str, Any] = {}
    if answer is not None:
        context = {"statusCode": 200, "executedVersion": function.version}
        answered["responseContext"] = context | (
            {"functionError": "Unhandled"} if answer.is_error else {}
        )
        answered["responsePayload"] = json.loads(answer.payload)
    return {
        "version": "1.0",
        "timestamp": moment.replace("+00:00", "Z"),
        "requestContext": {
            "requestId": outcome.request_id,
            "functionArn": _qualified(function),
            "condition": outcome.condition,
            "approximateInvokeCount": outcome.attempts,
        },
        "requestPayload": json.loads(outcome.payload),
        **answered,
    }


def _qualified(function: Function) -> str:
    return ":".join([*function.arn.split(":")[:7], function.version])


def _attributes(outcome: Outcome) -> dict[str, dict[str, str]]:
    code, message = "429", "Rate Exceeded."
    if outcome.answer is not None:
        code = "200"
        message = str(json.loads(outcome.answer.payload).get("errorMessage") or "")
    text = message.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
    return {
        "RequestID": {"DataType": "String", "StringValue": outcome.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": code},
        # an attribute may not be empty
        "ErrorMessage": {"DataType": "String", "StringValue": text or "-"},
    }


def _attempt(
    account: Account, outcome: Outcome, arn: str, body: str, attributes: dict[str, dict[str, str]]
) -> None:
    try:
        _send(account, outcome, arn, body, attributes)
    except (BotoCoreError, ClientError, ServiceError, ValueError) as error:
        route = f"{outcome.function.name} -> {arn}"
        print(f"outcome of an invocation dropped: {route}: {error}", flush=True)


def _send(
    account: Account, outcome: Outcome, arn: str, body: str, attributes: dict[str, dict[str, str]]
) -> None:
    service, own = arn.split(":")[2], session_of(account, outcome.function)
    if service == "sqs":
        url = account.client("sqs").get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"]
        sqs = account.client("sqs", credentials=own)
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    elif service == "sns":
        sns = account.client("sns", credentials=own)
        sns.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
    elif service == "lambda":
        functions = account.client("lambda", credentials=own)
        functions.invoke(FunctionName=arn, InvocationType="Event", Payload=body)
    elif service == "events":
        entry = {
            "Source": "lambda",
            "DetailType": "Lambda Function Invocation Result - "
            + ("Success" if outcome.succeeded else "Failure"),
            "Resources": [arn, _qualified(outcome.function)],
            "Detail": body,
            "EventBusName": arn,
        }
        account.client("events", credentials=own).put_events(Entries=[entry])
    else:
        raise ValueError(f"The embedded account does not model destinations in {service}.")
