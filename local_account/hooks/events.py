"""EventBridge and the events of S3, through the account's own bus."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.delivery import Target
from local_account.services.event_patterns import problems
from local_account.services.eventbridge import Event, EventBus, new_event
from local_account.services.schedule_expressions import InvalidExpression, parse
from local_account.services.scheduler import Plan


def install(account: Account, bus: EventBus) -> None:
    """Send what S3 and clients put on the bus through the account's own delivery."""
    _hook_s3(account, bus)
    _hook_put_events(account, bus)
    replace("moto.events.models:EventPatternParser._validate_event_pattern", _refuse_patterns)
    replace("moto.events.models:EventsBackend.put_rule", _refuse_schedules)


def _refuse_patterns(original: Any) -> Any:
    from moto.events.exceptions import InvalidEventPatternException

    def validate(self: Any, pattern: dict[str, Any]) -> None:
        if self.pattern and (found := list(problems(pattern))):
            raise InvalidEventPatternException(reason="; ".join(found))

    return validate


def _refuse_schedules(original: Any) -> Any:
    from moto.events.exceptions import ValidationException

    def put_rule(self: Any, *args: Any, scheduled_expression: str | None = None, **kw: Any) -> Any:
        try:
            parse(scheduled_expression or "rate(1 day)")
        except InvalidExpression as error:
            message = f"Parameter ScheduleExpression is not valid. {error}"
            raise ValidationException(message) from error
        rule = original(self, *args, scheduled_expression=scheduled_expression, **kw)
        rule.put_at = datetime.now(UTC)
        return rule

    return put_rule


def plans(account: Account, bus: EventBus) -> Iterator[Plan]:
    """Yield the plan of each rule that is enabled and has a schedule."""
    for rule in _rules(account):
        if rule.scheduled_expression:
            yield _plan(account, bus, rule)


def _plan(account: Account, bus: EventBus, rule: Any) -> Plan:
    occurrence = parse(rule.scheduled_expression)

    def fire(due: datetime) -> None:
        event = new_event(account, "aws.events", "Scheduled Event", [rule.arn], {})
        event["time"] = due.strftime("%Y-%m-%dT%H:%M:%SZ")
        for target in list(rule.targets):
            bus.deliver(rule.arn, target, event)

    first = occurrence(rule.put_at, rule.put_at)  # a rule's rate first occurs after one period
    return Plan(
        arn=rule.arn,
        expression=rule.scheduled_expression,
        timezone="UTC",
        since=first or rule.put_at,
        known=rule.put_at,
        end=None,
        fire=fire,
    )


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
    return [rule for rule in list(buses["default"].rules.values()) if rule.state == "ENABLED"]


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
