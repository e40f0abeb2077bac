"""SNS: refuse what AWS refuses, deliver to queues and functions only; SQS: queues keep policies."""

import json
import re
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.delivery import Delivery, Parcel, Sender

_SERVICE = "sns.amazonaws.com"
_MAIL_AND_WEB = ("http", "https", "email", "email-json", "sms", "application")
_PROTOCOLS = (*_MAIL_AND_WEB, "sqs", "lambda", "firehose")
# ASCII without control characters, which begins with something visible
_SUBJECT = re.compile(r"[!-~][ -~]{0,99}")


def install(account: Account, delivery: Delivery) -> None:
    """Make SNS deliver to queues and functions only, and SQS keep a queue's policy."""
    replace("moto.sqs.models:Queue._set_attributes", _keep_policy)
    replace("moto.sns.models:SNSBackend.publish", _validated)
    replace("moto.sns.models:SNSBackend.subscribe", _to_a_known_protocol)
    replace("moto.sns.models:Subscription.publish", lambda _: _delivered(account, delivery))


def _keep_policy(original: Any) -> Any:
    def set_attributes(self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        kept = getattr(self, "_policy_json", None)
        original(self, attributes, now)
        if kept and "Policy" not in attributes:
            self._policy_json = kept

    return set_attributes


def _to_a_known_protocol(original: Any) -> Any:
    from moto.sns.exceptions import InvalidParameterValue

    def subscribe(self: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
        if protocol not in _PROTOCOLS:
            raise InvalidParameterValue("Invalid parameter: Does not support this protocol string")
        return original(self, topic_arn, endpoint, protocol)

    return subscribe


def _validated(original: Any) -> Any:
    from moto.sns.exceptions import InvalidParameterValue

    def publish(self: Any, message: str, arn: str | None, **kw: Any) -> Any:
        if not message:
            raise InvalidParameterValue("Invalid parameter: Empty message")
        subject = kw.get("subject")
        if subject is not None and not _SUBJECT.fullmatch(subject):
            raise InvalidParameterValue("Invalid parameter: Subject")
        if kw.get("message_structure") == "json":
            _require_default(message)
        return original(self, message, arn, **kw)

    return publish


def _require_default(message: str) -> None:
    from moto.sns.exceptions import InvalidParameterValue

    prefix = "Invalid parameter: Message Structure -"
    try:
        texts = json.loads(message)
    except ValueError as error:
        raise InvalidParameterValue(f"{prefix} JSON message body failed to parse") from error
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        raise InvalidParameterValue(f"{prefix} No default entry in JSON message body")


def _delivered(account: Account, delivery: Delivery) -> Any:
    def publish(self: Any, message: str, message_id: str, **kw: Any) -> None:
        if self.protocol not in ("sqs", "lambda") or not _passes_filter(self, message, kw):
            return
        if kw.get("message_structure") == "json":
            message = self._parse_message_structure(message, self.protocol)
        if self.protocol == "lambda":
            delivery.submit(_record(self, message, message_id, kw))
            return
        try:
            _send(account, self, message, message_id, kw)
        except (BotoCoreError, ClientError) as error:  # no affair of whoever publishes
            print(f"message lost: {self.topic.arn} -> {self.endpoint}: {error}", flush=True)

    return publish


def _send(
    account: Account, subscription: Any, message: str, message_id: str, kw: dict[str, Any]
) -> None:
    """Send to a queue as SNS, which the queue's policy has to allow."""
    given = kw.get("message_attributes") or {}
    if str(subscription.attributes.get("RawMessageDelivery")).lower() == "true":
        request = {"MessageBody": message, "MessageAttributes": _attributes(given)}
    else:
        envelope = subscription.get_post_data(message, message_id, kw.get("subject"), given)
        request = {"MessageBody": json.dumps(envelope, indent=2)}
    fifo = {"MessageGroupId": "group_id", "MessageDeduplicationId": "deduplication_id"}
    request |= {member: kw[name] for member, name in fifo.items() if kw.get(name)}
    queue = subscription.endpoint.rpartition(":")[2]
    url = account.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    sender = account.identities.of_service(_SERVICE, subscription.topic.arn)
    account.client("sqs", credentials=sender).send_message(QueueUrl=url, **request)


def _attributes(published: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the attributes of a message, as moto's SNS keeps them, as SQS takes them."""

    def taken(attribute: dict[str, Any]) -> dict[str, Any]:
        kind, value = attribute["Type"], attribute["Value"]
        valued = (
            {"BinaryValue": value} if kind.startswith("Binary") else {"StringValue": str(value)}
        )
        return {"DataType": kind, **valued}

    return {name: taken(attribute) for name, attribute in published.items()}


def _passes_filter(subscription: Any, message: str, publication: dict[str, Any]) -> bool:
    matcher = subscription._filter_policy_matcher
    return matcher is None or matcher.matches(publication.get("message_attributes"), message)


def _record(subscription: Any, message: str, message_id: str, kw: dict[str, Any]) -> Parcel:
    sent = subscription.get_post_data(
        message, message_id, kw.get("subject"), kw.get("message_attributes")
    )
    sent = {"Subject": None, "MessageAttributes": {}, **sent}
    for name in ("SigningCert", "Unsubscribe"):  # a function's record spells these differently
        sent[f"{name}Url"] = sent.pop(f"{name}URL")
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": sent,
    }
    body = json.dumps({"Records": [record]})
    target, sender = {"Arn": subscription.endpoint}, Sender(_SERVICE, subscription.topic.arn)
    return Parcel(sender, target, message_id, lambda _: body, lambda *_: (body, {}))
