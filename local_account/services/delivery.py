"""Deliver payloads to the targets of rules and schedules, retry, and dead-letter what fails."""

import json
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.authorization.identities import Credentials
from local_account.service import Account, ServiceError

Target = dict[str, Any]

# in place of a day with up to 185 retries
_RETRIED_SECONDS = (0.2, 0.5, 1.0)
_OLDEST_SECONDS = 86400
_PERMANENT = {"AccessDenied", "AccessDeniedException", "ResourceNotFoundException"}


class UnsupportedTarget(Exception):
    """The account does not deliver to this kind of target, or what it is given cannot be made."""


@dataclass(frozen=True)
class Sender:
    """Who delivers: a service, on behalf of a rule, of a group of schedules or of a topic.

    Attributes
    ----------
    service
        Such as "events.amazonaws.com": what takes the target's role, or acts as itself.
    source_arn
        On whose behalf.
    letters_as_role
        Whether dead letters are sent with the rights of the target's role, too.
    """

    service: str
    source_arn: str
    letters_as_role: bool = False


@dataclass(frozen=True)
class Parcel:
    """What one target is to be given.

    Attributes
    ----------
    sender
        Who delivers.
    target
        The target as its rule or schedule names it.
    name
        What an execution that this starts is called.
    payload
        Called with the number of the attempt (the first is 1), returns the payload.
    dead_letter
        Called with an error's code, message and the number of retries, returns the
        body and the attributes of the message for the dead-letter queue.
    """

    sender: Sender
    target: Target
    name: str
    payload: Callable[[int], str]
    dead_letter: Callable[[str, str, int], tuple[str, Mapping[str, str]]]


class Delivery:
    """Delivers parcels, several at a time."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._deliveries = ThreadPoolExecutor(8, thread_name_prefix="delivery")

    def submit(self, parcel: Parcel) -> None:
        """Deliver a parcel soon."""
        delivery = self._deliveries.submit(self._deliver, parcel, time.monotonic())
        delivery.add_done_callback(partial(self._check, parcel))

    def close(self) -> None:
        """Start no further deliveries."""
        self._deliveries.shutdown(wait=False, cancel_futures=True)

    def _check(self, parcel: Parcel, delivery: "Future[None]") -> None:
        """Dead-letter a parcel whose delivery failed in a way that nobody expects."""
        error = None if delivery.cancelled() else delivery.exception()
        if isinstance(error, Exception):
            traceback.print_exception(error)
            self._dead_letter(parcel, "INTERNAL_ERROR", error, 0)

    def _deliver(self, parcel: Parcel, submitted: float) -> None:
        for attempt in range(len(_RETRIED_SECONDS) + 1):
            try:
                self._send(parcel, parcel.payload(attempt + 1))
            except UnsupportedTarget as error:
                self._dead_letter(parcel, "SDK_CLIENT_ERROR", error, 0)
                break
            except ServiceError as error:  # the role cannot be taken
                self._dead_letter(parcel, "FAILED_TO_ASSUME_ROLE", error, 0)
                break
            except (BotoCoreError, ClientError) as error:
                response = getattr(error, "response", {})
                code = response.get("Error", {}).get("Code", "SDK_CLIENT_ERROR")
                exhausted = "" if code in _PERMANENT else _exhausted(parcel, attempt, submitted)
                if exhausted or code in _PERMANENT:
                    self._dead_letter(parcel, code, error, attempt, exhausted)
                    break
                time.sleep(_RETRIED_SECONDS[attempt])
            else:
                break

    def _send(self, parcel: Parcel, payload: str) -> None:
        arn: str = parcel.target["Arn"]
        service, resource = arn.split(":")[2], arn.split(":", 5)[-1]
        client = partial(self._account.client, credentials=self._credentials(parcel))
        if service == "states":
            name = f"{parcel.name}_{uuid.uuid4()}"
            client("stepfunctions").start_execution(stateMachineArn=arn, name=name, input=payload)
        elif service == "codepipeline":
            asked = _pipeline_parameters(payload)
            client("codepipeline").start_pipeline_execution(name=resource, **asked)
        elif service == "lambda":
            client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=payload)
        elif service == "sqs":
            self._send_message(client("sqs"), resource, payload, {})
        elif service == "sns":
            client("sns").publish(TopicArn=arn, Message=payload)
        elif service == "logs":
            group = resource.removeprefix("log-group:").removesuffix(":*")
            _write_log(client("logs"), group, payload)
        else:
            raise UnsupportedTarget(
                f"The embedded account does not deliver events to {service} ({arn})."
            )

    def _credentials(self, parcel: Parcel, letter: bool = False) -> Credentials:
        identities, sender = self._account.identities, parcel.sender
        role = parcel.target.get("RoleArn")
        if role and (sender.letters_as_role or not letter):
            name = sender.source_arn.rpartition("/")[2]
            return identities.of_role(role, sender.service, name, sender.source_arn)
        return identities.of_service(sender.service, sender.source_arn)

    def _send_message(self, sqs: Any, queue: str, body: str, attributes: Mapping[str, str]) -> None:
        # the account itself looks the queue up, which takes no right of the sender
        url = self._account.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        sqs.send_message(
            QueueUrl=url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )

    def _dead_letter(
        self, parcel: Parcel, code: str, error: Exception, retries: int, exhausted: str = ""
    ) -> None:
        queue_arn = parcel.target.get("DeadLetterConfig", {}).get("Arn")
        if not queue_arn:
            print(f"event dropped: {parcel.target['Arn']}: {error}", flush=True)
            return
        body, attributes = parcel.dead_letter(code, str(error), retries)
        if exhausted:
            attributes = {**attributes, "EXHAUSTED_RETRY_CONDITION": exhausted}
        try:
            sqs = self._account.client("sqs", credentials=self._credentials(parcel, letter=True))
            self._send_message(sqs, queue_arn.split(":")[-1], body, attributes)
        except (BotoCoreError, ClientError, ServiceError) as undelivered:
            print(f"dead letter lost: {queue_arn}: {undelivered} ({error})", flush=True)


def _exhausted(parcel: Parcel, retries: int, submitted: float) -> str:
    """Return which limit forbids another retry, or nothing."""
    policy = parcel.target.get("RetryPolicy", {})
    most = int(policy.get("MaximumRetryAttempts", len(_RETRIED_SECONDS)))
    if retries >= min(most, len(_RETRIED_SECONDS)):
        return "MaximumRetryAttempts"
    age = time.monotonic() - submitted + _RETRIED_SECONDS[retries]
    oldest = float(policy.get("MaximumEventAgeInSeconds", _OLDEST_SECONDS))
    return "MaximumEventAgeInSeconds" if age > oldest else ""


def _pipeline_parameters(payload: str) -> dict[str, Any]:
    """Return what a target's input says of an execution; an event says nothing of one."""
    try:
        given = json.loads(payload)
    except ValueError as error:
        raise UnsupportedTarget(f"The input of a pipeline is not JSON ({error}).") from error
    found = given if isinstance(given, dict) else {}
    asked: dict[str, Any] = {}
    for name in ("sourceRevisions", "variables"):
        if value := found.get(name):
            asked[name] = value if isinstance(value, list) else [value]
    return asked


def _write_log(logs: Any, group: str, line: str) -> None:
    stream = str(uuid.uuid4())
    event = {"timestamp": int(time.time() * 1000), "message": line}
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
