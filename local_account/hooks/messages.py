"""SNS: refuse what AWS refuses, deliver to queues and functions only; SQS: queues keep policies."""

import json
import re
from typing import Any

from local_account.hooks.replace import replace
from local_account.services.delivery import Delivery, Parcel

# ASCII without control characters, which begins with something visible
_SUBJECT = re.compile(r"[!-~][ -~]{0,99}")


def install(delivery: Delivery) -> None:
    """Make SNS deliver to queues and functions only, and SQS keep a queue's policy."""
    replace("moto.sqs.models:Queue._set_attributes", _keep_policy)
    replace("moto.sns.models:SNSBackend.publish", _validated)
    replace("moto.sns.models:Subscription.publish", lambda original: _deliver(original, delivery))


def _keep_policy(original: Any) -> Any:
    def set_attributes(self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        kept = getattr(self, "_policy_json", None)
        original(self, attributes, now)
        if kept and "Policy" not in attributes:
            self._policy_json = kept

    return set_attributes


def _validated(original: Any) -> Any:
    from moto.sns.exceptions import InvalidParameterValue

    def publish(self: Any, message: str, arn: str | None, **kw: Any) -> Any:
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


def _deliver(original: Any, delivery: Delivery) -> Any:
    def publish(self: Any, message: str, message_id: str, **kw: Any) -> None:
        if self.protocol == "sqs":
            original(self, message, message_id, **kw)
        elif self.protocol == "lambda" and _passes_filter(self, message, kw):
            if kw.get("message_structure") == "json":
                message = self._parse_message_structure(message, "lambda")
            delivery.submit(_record(self, message, message_id, kw))

    return publish


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
    target = {"Arn": subscription.endpoint}
    return Parcel(target, message_id, lambda _: body, lambda *_: (body, {}))
