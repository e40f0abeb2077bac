"""Requests to EventBridge that AWS refuses are refused, with its error codes."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import RunningAccount

QUEUE = "arn:aws:sqs:us-east-1:123456789012:any"
ENTRY = {"Source": "the.tests", "DetailType": "Tested", "Detail": "{}"}
EVENT = {
    "id": "1",
    "account": "123456789012",
    "source": "the.tests",
    "time": "2026-03-04T06:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail-type": "Tested",
    "detail": {"size": 3},
}


def _refused(account: RunningAccount, operation: str, **asked: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        getattr(account.client("events"), operation)(**asked)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_only_aws_sends_events_of_aws(account: RunningAccount) -> None:
    answer = account.client("events").put_events(
        Entries=[{**ENTRY, "Source": "aws.s3"}, {**ENTRY, "Source": "awsome.s3"}]
    )
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        "NotAuthorizedForSourceException",
        None,
    ]
    assert answer["FailedEntryCount"] == 1


def test_the_total_size_of_a_batch_is_limited(account: RunningAccount) -> None:
    def batch(size: int) -> list[dict[str, Any]]:
        return [{**ENTRY, "Detail": json.dumps({"text": "x" * size})}] * 2

    account.client("events").put_events(Entries=batch(500_000))
    assert _refused(account, "put_events", Entries=batch(530_000)) == (
        "ValidationException",
        "Total size of the entries in the request is over the limit.",
    )


def test_a_rule_has_five_targets_at_most(account: RunningAccount) -> None:
    events, targets = account.client("events"), [{"Id": str(n), "Arn": QUEUE} for n in range(6)]
    events.put_rule(Name="many-targets", EventPattern='{"source": ["none"]}')
    assert events.put_targets(Rule="many-targets", Targets=targets[:5])["FailedEntryCount"] == 0
    events.put_targets(Rule="many-targets", Targets=targets[4:5])
    code, _ = _refused(account, "put_targets", Rule="many-targets", Targets=targets[5:])
    assert code == "LimitExceededException"


@pytest.mark.parametrize(
    "target",
    [
        {"Input": "{}", "InputPath": "$.detail"},
        {"Input": "x" * 8193},
        {"InputTransformer": {"InputTemplate": "x" * 8193}},
        {"InputTransformer": {"InputTemplate": "{<key>}", "InputPathsMap": {"key": "$.id"}}},
        {"InputTransformer": {"InputTemplate": '"<unknown>"'}},
        {"InputTransformer": {"InputTemplate": "<aws.x>", "InputPathsMap": {"aws.x": "$.id"}}},
        {"RetryPolicy": {"MaximumRetryAttempts": 186}},
        {"RetryPolicy": {"MaximumEventAgeInSeconds": 59}},
    ],
    ids=lambda target: json.dumps(target)[:60],
)
def test_a_target_that_aws_refuses_is_refused(
    account: RunningAccount, target: dict[str, Any]
) -> None:
    account.client("events").put_rule(Name="bad-targets", EventPattern='{"source": ["none"]}')
    session = account.client("events", parameter_validation=False)
    with pytest.raises(ClientError, match="ValidationException"):
        session.put_targets(Rule="bad-targets", Targets=[{"Id": "1", "Arn": QUEUE, **target}])
    assert session.list_targets_by_rule(Rule="bad-targets")["Targets"] == []


def test_a_pattern_that_is_too_long_is_refused(account: RunningAccount) -> None:
    for length, code in ((3000, "InvalidEventPatternException"), (5000, "ValidationException")):
        pattern = json.dumps({"source": ["x" * length]})
        assert _refused(account, "put_rule", Name="long", EventPattern=pattern)[0] == code


def test_a_pattern_can_be_tried_on_an_event(account: RunningAccount) -> None:
    def tried(pattern: Any, event: Any = EVENT) -> bool:
        answer = account.client("events").test_event_pattern(
            EventPattern=json.dumps(pattern), Event=json.dumps(event)
        )
        return bool(answer["Result"])

    assert tried({"detail": {"size": [{"numeric": [">", 2]}]}})
    assert not tried({"detail": {"size": [{"numeric": [">", 3]}]}})
    with pytest.raises(ClientError, match="InvalidEventPatternException"):
        tried({"detail": {"size": []}})
    with pytest.raises(ClientError, match="ValidationException"):
        tried({"source": ["x"]}, {"source": "x"})
