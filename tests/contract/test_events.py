"""EventBridge and its Scheduler."""

import json
from typing import Any

import pytest

from tests.contract.account import Aws, refused

MISSING = "ResourceNotFoundException"


@pytest.mark.contract(
    *("events:PutRule", "events:DescribeRule", "events:ListRules", "events:DeleteRule"),
    *("events:PutTargets", "events:ListTargetsByRule", "events:RemoveTargets"),
    *("events:TagResource", "events:UntagResource", "events:ListTagsForResource"),
)
def test_a_rule_from_creation_to_deletion(aws: Aws) -> None:
    events, (_, queue) = aws.client("events"), aws.queue(sender="events.amazonaws.com")
    pattern = json.dumps({"source": [aws.prefix]})
    rule = {"Name": aws.name("rule")}
    made = events.put_rule(**rule, EventPattern=pattern, Description="why")["RuleArn"]
    aws.later(events.delete_rule, **rule)
    found = events.describe_rule(**rule)
    assert (found["Arn"], found["EventPattern"], found["State"], found["Description"]) == (
        made,
        pattern,
        "ENABLED",
        "why",
    )
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    events.tag_resource(ResourceARN=made, Tags=tags)
    events.untag_resource(ResourceARN=made, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=made)["Tags"] == tags[1:]
    listed = events.list_rules(NamePrefix=aws.prefix)["Rules"]
    assert [each["Name"] for each in listed] == [rule["Name"]]
    target = {"Id": "1", "Arn": queue, "DeadLetterConfig": {"Arn": queue}}
    assert events.put_targets(Rule=rule["Name"], Targets=[target])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule=rule["Name"])["Targets"] == [target]
    assert refused(events.delete_rule, **rule) == "ValidationException"
    events.remove_targets(Rule=rule["Name"], Ids=["1"])
    events.delete_rule(**rule)
    assert refused(events.describe_rule, **rule) == MISSING
    assert refused(events.put_targets, Rule=rule["Name"], Targets=[target]) == MISSING
    for bad in ("[]", json.dumps({"source": []}), json.dumps({"source": "no list"})):
        invalid = {**rule, "EventPattern": bad}
        assert refused(events.put_rule, **invalid) == "InvalidEventPatternException"


@pytest.mark.contract("events:PutEvents", "events:EnableRule", "events:DisableRule")
def test_an_event_reaches_the_targets_of_rules_that_are_enabled(aws: Aws) -> None:
    events, (url, queue) = aws.client("events"), aws.queue(sender="events.amazonaws.com")
    rule = aws.name("rule")
    events.put_rule(
        Name=rule,
        EventPattern=json.dumps({"source": [aws.prefix], "detail": {"n": [{"numeric": [">", 1]}]}}),
    )
    aws.later(events.delete_rule, Name=rule)
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue}])
    aws.later(events.remove_targets, Rule=rule, Ids=["1"])

    def put(**detail: Any) -> dict[str, Any]:
        entry = {"Source": aws.prefix, "DetailType": "kind", "Detail": json.dumps(detail)}
        answer: dict[str, Any] = events.put_events(Entries=[entry])
        return answer

    events.disable_rule(Name=rule)
    put(n=2)
    events.enable_rule(Name=rule)
    put(n=1)
    answer = put(n=3)
    event = json.loads(aws.message(url)["Body"])
    assert answer["FailedEntryCount"] == 0
    assert (
        event.items()
        >= {
            "version": "0",
            "id": answer["Entries"][0]["EventId"],
            "detail-type": "kind",
            "source": aws.prefix,
            "account": aws.account_id,
            "region": aws.region,
            "resources": [],
            "detail": {"n": 3},
        }.items()
    )
    assert put(n=1)["Entries"][0].keys() == {"EventId"}
    bad = events.put_events(
        Entries=[{"Source": aws.prefix, "DetailType": "kind", "Detail": "no JSON"}]
    )
    assert bad["Entries"][0]["ErrorCode"] == "MalformedDetail"


@pytest.mark.contract(
    *("scheduler:CreateScheduleGroup", "scheduler:GetScheduleGroup"),
    *("scheduler:ListScheduleGroups", "scheduler:DeleteScheduleGroup"),
    *("scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule"),
    *("scheduler:ListSchedules", "scheduler:DeleteSchedule"),
)
def test_schedules_and_their_group(aws: Aws) -> None:
    scheduler, group = aws.client("scheduler"), aws.name("group")
    scheduler.create_schedule_group(Name=group)
    aws.later(scheduler.delete_schedule_group, Name=group)
    assert scheduler.get_schedule_group(Name=group)["State"] == "ACTIVE"
    listed = scheduler.list_schedule_groups(NamePrefix=aws.prefix)["ScheduleGroups"]
    assert [each["Name"] for each in listed] == [group]
    assert refused(scheduler.create_schedule_group, Name=group) == "ConflictException"

    url, queue = aws.queue()
    role = aws.role("scheduler.amazonaws.com", ("sqs:SendMessage", queue))
    schedule = {
        "Name": aws.name("schedule"),
        "GroupName": group,
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": queue, "RoleArn": role, "Input": "first"},
    }
    scheduler.create_schedule(**{**schedule, "State": "DISABLED"})
    assert refused(scheduler.create_schedule, **schedule) == "ConflictException"
    named = {"Name": schedule["Name"], "GroupName": group}
    found = scheduler.get_schedule(**named)
    assert (found["State"], found["Target"]["Input"]) == ("DISABLED", "first")
    changed = {**schedule, "ScheduleExpression": "rate(1 minute)"}
    changed["Target"] = {"Arn": queue, "RoleArn": role, "Input": "second"}
    scheduler.update_schedule(**changed)
    assert scheduler.get_schedule(**named)["State"] == "ENABLED"
    assert aws.message(url)["Body"] == "second"
    schedules = scheduler.list_schedules(GroupName=group)["Schedules"]
    assert [each["Name"] for each in schedules] == [schedule["Name"]]
    scheduler.delete_schedule(**named)
    for call in (scheduler.get_schedule, scheduler.delete_schedule):
        assert refused(call, **named) == MISSING
    assert refused(scheduler.update_schedule, **schedule) == MISSING
    never = {**schedule, "ScheduleExpression": "rate(1 fortnight)"}
    assert refused(scheduler.create_schedule, **never) == "ValidationException"
