"""EventBridge and the events of S3, through the account's own bus."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.utils import parse_timestamp

from local_account.hooks.replace import replace
from local_account.service import Account, problems_of
from local_account.services.delivery import Target
from local_account.services.event_patterns import problems
from local_account.services.eventbridge import Event, EventBus, new_event
from local_account.services.schedule_expressions import InvalidExpression, check, parse
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
            check(scheduled_expression or "rate(1 day)")
        except InvalidExpression as error:
            message = f"Parameter ScheduleExpression is not valid. {error}"
            raise ValidationException(message) from error
        rule = original(self, *args, scheduled_expression=scheduled_expression, **kw)
        rule.put_at = datetime.now(UTC)
        return rule

    return put_rule


def plans(account: Account, bus: EventBus) -> Iterator[Plan]:
    """Yield the plan of each rule that is enabled and has a schedule."""
    for rule in _rules(account, "default"):
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


def _rules(account: Account, bus: str) -> list[Any]:
    """Return the rules of a bus that are enabled; a bus that does not exist has none."""
    from moto.events.models import events_backends

    buses = events_backends[account.account_id][account.region].event_buses
    rules = list(buses[bus].rules.values()) if bus in buses else []
    return [rule for rule in rules if rule.state == "ENABLED"]


def matching_targets(account: Account, event: Event, bus: str) -> list[tuple[str, Target]]:
    """Return the ARN of each rule of a bus that an event matches, with each of its targets."""
    return [
        (rule.arn, target)
        for rule in _rules(account, bus)
        if rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event)
        for target in rule.targets
    ]


def _hook_put_events(account: Account, bus: EventBus) -> None:
    from moto.events.exceptions import ValidationException

    def put(entry: dict[str, Any]) -> dict[str, str]:
        name = _bus_name(account, entry.get("EventBusName") or "default")
        if refusal := _refusal(entry):
            return refusal
        event = new_event(
            account,
            entry["Source"],
            entry["DetailType"],
            entry.get("Resources") or [],
            json.loads(entry["Detail"]),
        )
        if (time := entry.get("Time")) is not None:
            event["time"] = parse_timestamp(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        bus.dispatch(event, name)
        return {"EventId": event["id"]}

    def through_the_bus(original: Any) -> Any:
        def put_events(self: Any, events: list[dict[str, Any]]) -> list[dict[str, str]]:
            if found := problems_of("events", "PutEvents", {"Entries": events}):
                raise ValidationException(found)
            return [put(entry) for entry in events]

        return put_events

    replace("moto.events.models:EventsBackend.put_events", through_the_bus)


def _bus_name(account: Account, name_or_arn: str) -> str:
    """Return the name of one of the account's buses, which need not exist: AWS drops the event."""
    prefix = account.arn("events", "event-bus/")
    if name_or_arn.startswith("arn:") and not name_or_arn.startswith(prefix):
        raise NotImplementedError(f"events for a bus of another account or region, {name_or_arn}")
    return name_or_arn.removeprefix(prefix)


def _refusal(entry: dict[str, Any]) -> dict[str, str]:
    """Return the error of an entry that AWS does not put on a bus, or nothing."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    try:
        well_formed = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        well_formed = False
    malformed = {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return {} if well_formed else malformed
