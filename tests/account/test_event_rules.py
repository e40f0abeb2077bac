"""What rules say: patterns, schedules, and what they make of an event for its target."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.hooks import events as event_hooks
from local_account.service import Account
from local_account.services.delivery import UnsupportedTarget
from local_account.services.eventbridge import target_input
from tests.conftest import RunningAccount

EVENT = {
    "id": "1",
    "time": "2026-03-04T06:00:00Z",
    "source": "aws.s3",
    "detail": {"bucket": {"name": "b"}, "object": {"key": 'v "1"/a.csv', "size": 3}},
}
RULE = "arn:aws:events:us-east-1:123456789012:rule/uploads"
PATHS = {"key": "$.detail.object.key", "size": "$.detail.object.size", "bucket": "$.detail.bucket"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"key": <key>, "size": <size>}', {"key": 'v "1"/a.csv', "size": 3}),
        ('{"text": "<key> of <bucket> has <size>"}', {"text": 'v "1"/a.csv of {name: b} has 3'}),
        ('"<aws.events.rule-name>: <none>"', "uploads: "),
        ('{"bucket": <bucket>, "none": <none>}', {"bucket": {"name": "b"}, "none": ""}),
        ("<aws.events.event.json>", EVENT),
        ('{"rule": <aws.events.rule-arn>}', {"rule": RULE}),
    ],
)
def test_an_input_transformer_fills_in_values_and_texts(template: str, expected: Any) -> None:
    transformer = {"InputTemplate": template, "InputPathsMap": {**PATHS, "none": "$.detail.none"}}
    assert json.loads(target_input({"InputTransformer": transformer}, EVENT, RULE)) == expected


def test_an_input_transformer_that_makes_no_json_is_refused() -> None:
    transformer = {"InputTemplate": "{<key>}", "InputPathsMap": PATHS}
    with pytest.raises(UnsupportedTarget, match="not JSON"):
        target_input({"InputTransformer": transformer}, EVENT, RULE)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ({"source": "aws.s3"}, "'source' must be an object or an array"),
        ({"source": []}, "Empty arrays are not allowed"),
        ({"source": [{"prefix": ["a", "b"]}]}, "prefix match pattern must be a string"),
        ({"source": [{"like": "a"}]}, "Unrecognized match type like"),
        ({"source": [{"wildcard": "a**"}]}, "Consecutive wildcard"),
        ({"source": [{"prefix": "a", "suffix": "b"}]}, "Only one key"),
        ({"source": [{"exists": "yes"}]}, "exists match pattern"),
        ({"detail": {"size": [{"numeric": [">", "1"]}]}}, "Invalid numeric match"),
        ({"source": [{"anything-but": {"numeric": ["=", 1]}}]}, "anything-but"),
        ({"$or": [{"source": ["a"]}, {"source": [["b"]]}]}, "Nested arrays"),
    ],
)
def test_a_pattern_that_aws_refuses_is_refused(
    account: RunningAccount, pattern: Any, reason: str
) -> None:
    with pytest.raises(ClientError, match=reason) as refused:
        account.client("events").put_rule(Name="refused", EventPattern=json.dumps(pattern))
    assert refused.value.response["Error"]["Code"] == "InvalidEventPatternException"


def test_a_rule_whose_schedule_is_none_is_refused(account: RunningAccount) -> None:
    for expression in (
        "cron(0 6 * * * *)",
        "at(2027-01-01T00:00:00)",
        "rate(0 minutes)",
        "rate(9999999 days)",
    ):
        with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
            account.client("events").put_rule(Name="refused", ScheduleExpression=expression)


def test_a_rule_with_a_rate_occurs_after_one_period_and_sends_an_empty_detail() -> None:
    class Rule:
        arn, scheduled_expression = RULE, "rate(5 minutes)"
        targets = ({"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:any"},)
        put_at = datetime(2026, 3, 4, 12, tzinfo=UTC)

    class Bus:
        delivered: tuple[Any, ...] = ()

        def deliver(self, *what: Any) -> None:
            self.delivered = what

    bus, fields = Bus(), {"account_id": "123456789012", "region": "us-east-1", "url": "http://x"}
    owner: Any = Account(**fields, access_key_id="", secret_access_key="", state=None, cache=None)  # type: ignore[arg-type]
    plan = event_hooks._plan(owner, bus, Rule)  # type: ignore[arg-type]
    due = plan.next(Rule.put_at)
    assert due == datetime(2026, 3, 4, 12, 5, tzinfo=UTC)
    plan.fire(due)
    rule_arn, target, event = bus.delivered
    assert (rule_arn, target) == (RULE, Rule.targets[0])
    assert (event["source"], event["detail-type"], event["detail"], event["time"]) == (
        "aws.events",
        "Scheduled Event",
        {},
        "2026-03-04T12:05:00Z",
    )
