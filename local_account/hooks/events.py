"""EventBridge and the events of S3, through the account's own bus."""

import json
import uuid
from typing import Any

from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.eventbridge import Event, EventBus, Target, new_event


def install(account: Account, bus: EventBus) -> None:
    """Send what S3 and clients put on the bus through the account's own delivery."""
    _hook_s3(account, bus)
    _hook_put_events(account, bus)


def _hook_s3(account: Account, bus: EventBus) -> None:
    sequence = iter(range(1, 2**62))

    def as_s3_sends_it(original: Any) -> Any:
        def send(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
            reasons = {"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject"}
            name, _, reason = str(getattr(event_name, "value", event_name)).rpartition(":")
            if name != "s3:ObjectCreated":
                return
            detail = {
                "version": "0",
                "bucket": {"name": bucket.name},
                "object": {
                    "key": key.name,
                    "size": key.size,
                    "etag": key.etag.strip('"'),
                    **({"version-id": key.version_id} if bucket.is_versioned else {}),
                    "sequencer": f"{next(sequence):018X}",
                },
                "request-id": uuid.uuid4().hex[:16].upper(),
                "requester": account.account_id,
                "source-ip-address": "127.0.0.1",
                "reason": reasons.get(reason, reason),
            }
            bus.dispatch(new_event(account, "aws.s3", "Object Created", [bucket.arn], detail))

        return send

    replace("moto.s3.notifications:_send_event_bridge_message", as_s3_sends_it)


def _rules(account: Account) -> list[Any]:
    from moto.events.models import events_backends

    buses = events_backends[account.account_id][account.region].event_buses
    return [rule for rule in buses["default"].rules.values() if rule.state == "ENABLED"]


def matching_targets(account: Account, event: Event) -> list[tuple[str, Target]]:
    """Return the ARN of each rule that an event matches, with each of its targets."""
    return [
        (rule.arn, target)
        for rule in _rules(account)
        if rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event)
        for target in rule.targets
    ]


def _hook_put_events(account: Account, bus: EventBus) -> None:
    def through_the_bus(original: Any) -> Any:
        def put_events(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            answers = []
            for entry in events:
                event = new_event(
                    account,
                    entry["Source"],
                    entry["DetailType"],
                    entry.get("Resources", []),
                    json.loads(entry["Detail"]),
                )
                bus.dispatch(event)
                answers.append({"EventId": event["id"]})
            return answers

        return put_events

    replace("moto.events.models:EventsBackend.put_events", through_the_bus)
