"""Schedules occur when their expressions say, and reach their targets or a dead-letter queue."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.services.schedule_expressions import InvalidExpression, parse
from local_account.services.scheduler import Clock, Plan
from tests.account.roles import create_role
from tests.account.workloads import message, queue
from tests.conftest import RunningAccount

ROLE = "arn:aws:iam::123456789012:role/schedule"
START = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
NO_WINDOW = {"Mode": "OFF"}


@pytest.fixture(scope="module", autouse=True)
def _role(account: RunningAccount) -> None:
    create_role(account, "schedule", "scheduler")


@pytest.mark.parametrize(
    ("expression", "timezone", "expected"),
    [
        ("at(2026-03-05T06:00:00)", "UTC", "2026-03-05T06:00:00"),
        ("at(2026-03-05T06:00:00)", "America/New_York", "2026-03-05T11:00:00"),
        ("rate(5 minutes)", "UTC", "2026-03-04T12:05:30"),
        ("rate(1 day)", "UTC", "2026-03-05T12:00:30"),
        ("cron(0 6 ? * MON-FRI *)", "UTC", "2026-03-05T06:00:00"),
        ("cron(0 6 ? * SUN *)", "Europe/Berlin", "2026-03-08T05:00:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-03-04T12:15:00"),
        ("cron(10,20 8-10/2 1 JAN,7 ? 2027)", "UTC", "2027-01-01T08:10:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2028-02-29T00:00:00"),
        # 02:30 does not exist in Berlin on 29 March 2026
        ("cron(30 2 28-30 3 ? 2026)", "Europe/Berlin", "2026-03-28T01:30:00"),
        ("cron(0 6 * * ? 2025)", "UTC", None),
    ],
)
def test_an_expression_occurs_next(expression: str, timezone: str, expected: str | None) -> None:
    due = parse(expression, timezone)(START, START)
    assert due == (datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None)


def test_a_local_time_that_the_clocks_skip_does_not_occur_and_one_they_repeat_occurs_once() -> None:
    def first(expression: str, number: int) -> list[str]:
        due, found = START, []
        for _ in range(number):
            following = parse(expression, "Europe/Berlin")(START, due)
            assert following is not None
            due = following
            found.append(due.strftime("%m-%dT%H:%M"))
        return found

    assert first("cron(30 2 28-30 3 ? *)", 2) == ["03-28T01:30", "03-30T00:30"]
    assert first("cron(30 2 24-26 10 ? *)", 3) == ["10-24T00:30", "10-25T00:30", "10-26T01:30"]


@pytest.mark.parametrize(
    "expression",
    [
        "every day",
        "rate(0 minutes)",
        "rate(5 weeks)",
        "rate(99999999999 days)",
        "at(tomorrow)",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(60 6 * * ? *)",
        "cron(0/0 6 * * ? *)",
        "cron(0 6 L * ? *)",
        "cron(0 6 ? * 2#1 *)",
        "cron(0 6 ? * FRIL *)",
    ],
)
def test_an_expression_that_is_none_is_refused(expression: str) -> None:
    with pytest.raises(InvalidExpression, match="Invalid Schedule Expression"):
        parse(expression)


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidExpression, match=r"Mars/Olympus.*is not a time zone"):
        parse("rate(1 day)", "Mars/Olympus")


class _Watch:
    """A clock whose time is set by the test, and what it fired."""

    def __init__(self, **plan: Any) -> None:
        self.now, self.fired, self.finished = START, list[str](), 0
        times = {"since": START, "known": START, "end": None, **plan}
        self.plans = [Plan("arn", timezone="UTC", fire=self._fire, finish=self._finish, **times)]
        self.clock = Clock(lambda: self.plans, lambda: self.now)

    def _fire(self, due: datetime) -> None:
        self.fired.append(due.strftime("%H:%M:%S"))

    def _finish(self) -> None:
        self.finished += 1

    def passes(self, **time_passed: int) -> list[str]:
        self.now += timedelta(**time_passed)
        self.fired.clear()
        self.clock.look()
        return list(self.fired)


def test_a_rate_occurs_at_once_and_then_each_period() -> None:
    watch = _Watch(expression="rate(5 minutes)")
    assert watch.passes() == ["12:00:30"]
    assert watch.passes(minutes=4) == []
    assert watch.passes(minutes=1) == ["12:05:30"]


def test_occurrences_that_were_missed_are_made_up_for_once() -> None:
    watch = _Watch(expression="rate(5 minutes)")
    watch.passes()
    assert watch.passes(minutes=31) == ["12:05:30"]
    assert watch.passes(minutes=4) == ["12:35:30"]


def test_a_one_time_schedule_occurs_once_even_if_it_is_a_moment_late() -> None:
    watch = _Watch(expression="at(2026-03-04T12:00:20)")
    assert watch.passes() == ["12:00:30"]
    assert watch.finished == 1
    assert watch.passes(hours=1) == []


def test_a_plan_that_was_disabled_for_long_makes_up_for_nothing() -> None:
    watch = _Watch(expression="rate(5 minutes)")
    assert watch.passes(hours=1, minutes=2) == []
    assert watch.passes(minutes=3) == ["13:05:30"]


def test_a_schedule_keeps_to_its_start_and_end() -> None:
    later, end = START + timedelta(hours=1), START + timedelta(hours=1, minutes=5)
    watch = _Watch(expression="rate(5 minutes)", since=later, end=end)
    assert watch.passes(minutes=59) == []
    assert watch.passes(minutes=1) == ["13:00:30"]
    assert watch.passes(minutes=5) == ["13:05:30"]
    assert watch.passes(minutes=5) == []
    assert watch.finished == 1


def test_a_plan_that_changed_counts_anew_and_one_that_is_gone_is_forgotten() -> None:
    watch = _Watch(expression="at(2026-03-04T12:10:00)")
    assert watch.passes(minutes=1) == []
    postponed = _Watch(expression="at(2026-03-04T12:20:00)").plans[0]
    watch.plans = [Plan(**{**vars(postponed), "fire": watch.plans[0].fire})]
    assert watch.passes(minutes=15) == []
    assert watch.passes(minutes=5) == ["12:20:00"]
    watch.plans = []
    assert watch.passes(hours=1) == []


def test_a_plan_that_fails_is_lost_once_and_holds_no_other_one_up() -> None:
    watch, fails = _Watch(expression="rate(5 minutes)"), list[datetime]()

    def fail(due: datetime) -> None:
        fails.append(due)
        raise KeyError("no such target")

    watch.plans.insert(0, Plan(**{**vars(watch.plans[0]), "arn": "bad", "fire": fail}))
    assert watch.passes() == ["12:00:30"]
    assert watch.passes(seconds=1) == []
    assert watch.passes(minutes=5) == ["12:05:30"]
    assert [due.strftime("%H:%M:%S") for due in fails] == ["12:00:30", "12:05:30"]


def test_a_rate_whose_next_occurrence_is_beyond_all_dates_occurs_no_more() -> None:
    watch = _Watch(expression="rate(9999999 days)")
    assert watch.passes() == ["12:00:30"]
    assert watch.finished == 1
    assert watch.passes(minutes=1) == []


def _at(seconds: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"at({moment:%Y-%m-%dT%H:%M:%S})"


def _eventually_gone(account: RunningAccount, name: str) -> None:
    deadline = time.monotonic() + 30
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        while time.monotonic() < deadline:
            account.client("scheduler").get_schedule(Name=name)
            time.sleep(0.05)


def test_a_schedule_sends_its_input_with_what_scheduler_knows_and_is_deleted(
    account: RunningAccount,
) -> None:
    url, arn = queue(account, "once")
    names = ("scheduled-time", "execution-id", "schedule-arn", "attempt-number")
    wanted = {name: f"<aws.scheduler.{name}>" for name in names}
    answer = account.client("scheduler").create_schedule(
        Name="once",
        ScheduleExpression=(expression := _at(1)),
        FlexibleTimeWindow=NO_WINDOW,
        ActionAfterCompletion="DELETE",
        Target={"Arn": arn, "RoleArn": ROLE, "Input": json.dumps(wanted)},
    )
    body = json.loads(message(account, url)["Body"])
    assert body["scheduled-time"] == f"{expression[3:-1]}Z"
    assert body["schedule-arn"] == answer["ScheduleArn"]
    assert body["attempt-number"] == "1"
    assert body["execution-id"]
    _eventually_gone(account, "once")


def test_a_schedule_without_input_sends_an_event_whose_detail_is_a_string(
    account: RunningAccount,
) -> None:
    url, arn = queue(account, "default-input")
    scheduler = account.client("scheduler")
    scheduler.create_schedule_group(Name="events")
    scheduler.create_schedule(
        Name="default-input",
        GroupName="events",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=NO_WINDOW,
        Target={"Arn": arn, "RoleArn": ROLE},
    )
    event = json.loads(message(account, url)["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == (
        "aws.scheduler",
        "Scheduled Event",
        "{}",
    )
    assert event["resources"][0].endswith(":schedule/events/default-input")
    scheduler.delete_schedule_group(Name="events")


def test_an_update_postpones_a_schedule_and_takes_what_it_does_not_name_away(
    account: RunningAccount,
) -> None:
    url, arn = queue(account, "postponed")
    scheduler = account.client("scheduler")
    request = {
        "Name": "postponed",
        "FlexibleTimeWindow": NO_WINDOW,
        "Target": {"Arn": arn, "RoleArn": ROLE, "Input": "1"},
    }
    scheduler.create_schedule(
        ScheduleExpression=_at(2), State="DISABLED", ActionAfterCompletion="DELETE", **request
    )
    scheduler.update_schedule(ScheduleExpression=_at(3600), **request)
    schedule = scheduler.get_schedule(Name="postponed")
    assert (schedule["State"], schedule.get("ActionAfterCompletion")) == ("ENABLED", None)
    answer = account.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=3)
    assert "Messages" not in answer
    scheduler.delete_schedule(Name="postponed")


def test_a_schedule_that_cannot_reach_its_function_is_dead_lettered(
    account: RunningAccount,
) -> None:
    url, arn = queue(account, "schedule-dead-letters")
    function = "arn:aws:lambda:us-east-1:123456789012:function:gone"
    target = {
        "Arn": function,
        "RoleArn": ROLE,
        "Input": json.dumps({"dataset": "v1.0"}),
        "DeadLetterConfig": {"Arn": arn},
        "RetryPolicy": {"MaximumRetryAttempts": 0},
    }
    account.client("scheduler").create_schedule(
        Name="dead", ScheduleExpression=_at(0), FlexibleTimeWindow=NO_WINDOW, Target=target
    )
    letter = message(account, url)
    assert json.loads(letter["Body"]) == {"dataset": "v1.0"}
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["TARGET_ARN"] == function
    assert attributes["SCHEDULE_ARN"].endswith(":schedule/default/dead")
    assert "gone" in attributes["ERROR_MESSAGE"]


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"ScheduleExpression": "rate(x minutes)"}, "ValidationException", "Invalid Schedule"),
        ({"ScheduleExpression": "rate(9999999 days)"}, "ValidationException", "after the year"),
        ({"ScheduleExpression": _at(-3600)}, "ValidationException", "in the past"),
        ({"ScheduleExpressionTimezone": "Nowhere"}, "ValidationException", "not a time zone"),
        ({"GroupName": "no-group"}, "ResourceNotFoundException", "no-group does not exist"),
        ({"Name": "a name"}, "ValidationException", "regular expression"),
        ({"Name": "taken"}, "ConflictException", "taken already exists"),
    ],
)
def test_a_schedule_that_aws_refuses_is_refused(
    account: RunningAccount, changes: dict[str, str], code: str, reason: str
) -> None:
    _, arn = queue(account, "refused")
    scheduler = account.client("scheduler", parameter_validation=False)
    request = {
        "Name": "taken",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": NO_WINDOW,
        "State": "DISABLED",
        "Target": {"Arn": arn, "RoleArn": ROLE},
    }
    if changes == {"Name": "taken"}:
        scheduler.create_schedule(**request)
    with pytest.raises(ClientError, match=reason) as refused:
        scheduler.create_schedule(**{**request, **changes})
    assert refused.value.response["Error"]["Code"] == code


def test_a_group_exists_once_and_takes_its_schedules_along(account: RunningAccount) -> None:
    scheduler = account.client("scheduler")
    scheduler.create_schedule_group(Name="grouped")
    with pytest.raises(ClientError, match="ConflictException"):
        scheduler.create_schedule_group(Name="grouped")
    scheduler.delete_schedule_group(Name="grouped")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        scheduler.delete_schedule_group(Name="grouped")
