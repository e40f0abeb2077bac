"""Lambda's asynchronous invocations: two more attempts after an error, then the dead letter."""

import json
import threading
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from local_account.service import Account
from local_account.services.lambda_worker import Function, Invocation, error_document

_RETRIED_SECONDS = (0.5, 1.0)  # one and two minutes on AWS
_MAX_MESSAGE_BYTES = 1024

Invoke = Callable[[Function, bytes, str], Invocation]


@dataclass(frozen=True)
class _Event:
    """What one function is invoked with, once or several times."""

    function: Function
    payload: bytes
    request_id: str


class EventInvocations:
    """Runs functions that nobody waits for."""

    def __init__(self, account: Account, invoke: Invoke) -> None:
        self._account, self._invoke = account, invoke
        self._events = ThreadPoolExecutor(16, thread_name_prefix="event")
        self._attempts = ThreadPoolExecutor(16, thread_name_prefix="lambda")
        self._closing = threading.Event()

    def accept(self, function: Function, payload: bytes) -> None:
        """Run a function some time soon."""
        self._events.submit(self._run, _Event(function, payload, str(uuid.uuid4())))

    def close(self) -> None:
        """Start no further attempts."""
        self._closing.set()
        for pool in (self._events, self._attempts):
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, event: _Event) -> None:
        invocation = self._attempt(event)
        for seconds in _RETRIED_SECONDS[: event.function.event_retries]:
            if not invocation.is_error or self._closing.wait(seconds):
                return
            invocation = self._attempt(event)
        if invocation.is_error and event.function.dead_letter_arn and not self._closing.is_set():
            self._dead_letter(event, invocation)

    def _attempt(self, event: _Event) -> Invocation:
        """Run the function; whatever keeps it from running is an error of this attempt."""
        function, request_id = event.function, event.request_id
        attempt = self._attempts.submit(self._invoke, function, event.payload, request_id)
        error = attempt.exception()
        if error is None:
            return attempt.result()
        print(f"{function.name} could not run, request {request_id}:", flush=True)
        traceback.print_exception(error)
        document = error_document("Runtime.StartError", f"{type(error).__name__}: {error}")
        return Invocation(document, is_error=True, log="")

    def _dead_letter(self, event: _Event, invocation: Invocation) -> None:
        message = str(json.loads(invocation.payload).get("errorMessage") or "").encode()
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": event.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {
                "DataType": "String",
                # an attribute may not be empty
                "StringValue": message[:_MAX_MESSAGE_BYTES].decode(errors="ignore") or "-",
            },
        }
        try:
            self._send(event.function.dead_letter_arn, event.payload.decode(), attributes)
        except (BotoCoreError, ClientError, UnicodeDecodeError) as error:
            route = f"{event.function.name} -> {event.function.dead_letter_arn}"
            print(f"dead letter dropped: {route}: {error}", flush=True)

    def _send(self, arn: str, body: str, attributes: dict[str, dict[str, str]]) -> None:
        if arn.split(":")[2] == "sns":
            sns = self._account.client("sns")
            sns.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
            return
        sqs = self._account.client("sqs")
        url = sqs.get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
