"""Lambda's asynchronous invocations: two more attempts after an error, then the dead letter."""

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from local_account.service import Account
from local_account.services.lambda_worker import Function, Invocation

_RETRIED_SECONDS = (0.5, 1.0)  # one and two minutes on AWS
_MAX_MESSAGE_BYTES = 1024

Invoke = Callable[[Function, bytes, str], Invocation]


class EventInvocations:
    """Runs functions that nobody waits for."""

    def __init__(self, account: Account, invoke: Invoke) -> None:
        self._account, self._invoke = account, invoke
        self._attempts = ThreadPoolExecutor(16, thread_name_prefix="lambda")
        self._closing = threading.Event()

    def accept(self, function: Function, payload: bytes) -> None:
        """Run a function some time soon."""
        self._attempts.submit(self._run, function, payload, str(uuid.uuid4()))

    def close(self) -> None:
        """Start no further attempts."""
        self._closing.set()
        self._attempts.shutdown(wait=False, cancel_futures=True)

    def _run(self, function: Function, payload: bytes, request_id: str) -> None:
        invocation = self._invoke(function, payload, request_id)
        for seconds in _RETRIED_SECONDS[: function.event_retries]:
            if not invocation.is_error or self._closing.wait(seconds):
                return
            invocation = self._invoke(function, payload, request_id)
        if invocation.is_error and function.dead_letter_arn and not self._closing.is_set():
            self._dead_letter(function, payload, request_id, invocation)

    def _dead_letter(
        self, function: Function, payload: bytes, request_id: str, invocation: Invocation
    ) -> None:
        message = json.loads(invocation.payload).get("errorMessage", "").encode()
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {
                "DataType": "String",
                # an attribute may not be empty
                "StringValue": message[:_MAX_MESSAGE_BYTES].decode(errors="ignore") or "-",
            },
        }
        try:
            self._send(function.dead_letter_arn, payload.decode(), attributes)
        except (BotoCoreError, ClientError) as error:
            target = function.dead_letter_arn
            print(f"dead letter dropped: {function.name} -> {target}: {error}", flush=True)

    def _send(self, arn: str, body: str, attributes: dict[str, dict[str, str]]) -> None:
        if arn.split(":")[2] == "sns":
            sns = self._account.client("sns")
            sns.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
            return
        sqs = self._account.client("sqs")
        url = sqs.get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
