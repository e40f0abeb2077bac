"""EventBridge: rules and their schedules, as the account's own bus and clock see them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from local_account.hooks import event_requests, object_events
from local_account.hooks.replace import replace
from local_account.service import Account
from local_account.services.delivery import Target
from local_account.services.eventbridge import Event, EventBus, new_event
from local_account.services.schedule_expressions import InvalidExpression, check, parse
from local_account.services.scheduler import Plan


def install(account: Account, bus: EventBus) -> None:
    """Send what S3 and clients put on the bus through the account's own delivery."""
    object_events.install(account, bus)
    event_requests.install(account, bus)
    replace("moto.events.models:EventsBackend.put_rule", _refuse_schedules)


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
