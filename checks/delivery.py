"""Events: that they match, arrive, and are kept where nothing could handle them."""

import re
from collections.abc import Iterator
from typing import Any

from checks.assembly import Assembly, Resource
from checks.findings import Finding

NAMED = re.compile(r"«(\w+)(?:\.\w+)?»")
PATTERN_FIELDS = {
    *("version", "id", "source", "detail-type", "account", "time", "region", "resources"),
    *("detail", "$or", "replay-name"),
}
DETAIL_TYPES = {
    "aws.states": "Step Functions Execution Status Change",
    "aws.codebuild": "CodeBuild Build State Change|CodeBuild Build Phase Change",
    "aws.ecr": "ECR Image Action|ECR Image Scan|ECR Pull Through Cache Action|"
    "ECR Replication Action|ECR Referrer Action",
    "aws.codecommit": "CodeCommit Repository State Change|CodeCommit Pull Request State Change|"
    "CodeCommit Comment on Commit|CodeCommit Comment on Pull Request|"
    "CodeCommit Approval Rule Template Change",
    "aws.codepipeline": "CodePipeline Pipeline Execution State Change|"
    "CodePipeline Stage Execution State Change|CodePipeline Action Execution State Change",
    "aws.s3": "Object Created|Object Deleted|Object Restore Initiated|Object Restore Completed|"
    "Object Restore Expired|Object Storage Class Changed|Object Access Tier Changed|"
    "Object ACL Updated|Object Tags Added|Object Tags Deleted",
}
BY_CALL = "AWS API Call via CloudTrail"
ASYNCHRONOUS = {"events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com"}


def find(assembly: Assembly) -> Iterator[Finding]:
    """Yield where events would be lost, or never match."""
    for rule in assembly.of_type("AWS::Events::Rule"):
        yield from _rule(rule)
    for schedule in assembly.of_type("AWS::Scheduler::Schedule"):
        yield from _dead_letters(schedule, schedule.get("Target") or {}, "")
    invoked = _invoked_by_events(assembly)
    for function in assembly.of_type("AWS::Lambda::Function"):
        if function.logical_id in invoked and not _keeps_failures(function, assembly):
            yield function.finding(
                "function-dead-letters",
                "events invoke it, and those it fails on are lost",
                "DeadLetterConfig, or an EventInvokeConfig with OnFailure",
            )
    for mapping in assembly.of_type("AWS::Lambda::EventSourceMapping"):
        yield from _queue(mapping, assembly)
    for alarm in assembly.of_type("AWS::CloudWatch::Alarm"):
        if not alarm.get("AlarmActions") or alarm.get("ActionsEnabled") is False:
            yield alarm.finding("alarm-action", "an alarm that tells nobody", "AlarmActions")


def _rule(rule: Resource) -> Iterator[Finding]:
    targets = rule.get("Targets") or []
    pattern = rule.get("EventPattern")
    if not targets:
        yield rule.finding("rule-target", "no Targets", "a target")
    for target in targets:
        yield from _dead_letters(rule, target, str(target.get("Id", "")))
    if pattern is None and not rule.get("ScheduleExpression"):
        yield rule.finding("rule-pattern", "neither pattern nor schedule", "what it matches")
    if isinstance(pattern, dict):
        for found, expected in _pattern(pattern):
            yield rule.finding("rule-pattern", found, expected)


def _dead_letters(resource: Resource, target: dict[str, Any], name: str) -> Iterator[Finding]:
    if not (target.get("DeadLetterConfig") or {}).get("Arn"):
        found = f"target {name} without dead-letter queue".replace("  ", " ")
        yield resource.finding("dead-letter-queue", found, "DeadLetterConfig")
    retries = (target.get("RetryPolicy") or {}).get("MaximumRetryAttempts")
    if retries == 0:
        yield resource.finding("delivery-retry", "MaximumRetryAttempts 0", "at least one retry")


def _pattern(pattern: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in pattern.keys() - PATTERN_FIELDS:
        yield f"{name} is no field of an event", f"one of {', '.join(sorted(PATTERN_FIELDS))}"
    yield from _unmatchable(pattern, "")
    types = pattern.get("detail-type") or []
    for source in pattern.get("source") or []:
        known = DETAIL_TYPES.get(source) if isinstance(source, str) else None
        for each in types if known else []:
            if isinstance(each, str) and each not in {*str(known).split("|"), BY_CALL}:
                yield f"{source} sends no {each!r}", f"one of {str(known).replace('|', ', ')}"


def _unmatchable(value: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
    for name, part in value.items():
        if isinstance(part, dict):
            yield from _unmatchable(part, f"{place}{name}.")
        elif not isinstance(part, list) or not part:
            yield f"{place}{name}: {part!r} matches nothing", "a list of what may be there"


def _names(value: Any) -> set[str]:
    return set(NAMED.findall(str(value)))


def _invoked_by_events(assembly: Assembly) -> set[str]:
    found: set[str] = set()
    for permission in assembly.of_type("AWS::Lambda::Permission"):
        if permission.get("Principal") in ASYNCHRONOUS:
            found |= _names(permission.get("FunctionName"))
    for rule in assembly.of_type("AWS::Events::Rule"):
        for target in rule.get("Targets") or []:
            found |= _names(target.get("Arn"))
    for schedule in assembly.of_type("AWS::Scheduler::Schedule"):
        found |= _names(schedule.get("Target", "Arn"))
    return found


def _keeps_failures(function: Resource, assembly: Assembly) -> bool:
    if function.get("DeadLetterConfig", "TargetArn"):
        return True
    return any(
        config.get("DestinationConfig", "OnFailure", "Destination")
        for config in assembly.of_type("AWS::Lambda::EventInvokeConfig")
        if function.logical_id in _names(config.get("FunctionName"))
    )


def _queue(mapping: Resource, assembly: Assembly) -> Iterator[Finding]:
    source = _names(mapping.get("EventSourceArn"))
    for queue in assembly.of_type("AWS::SQS::Queue"):
        if queue.logical_id in source and not queue.get("RedrivePolicy"):
            yield queue.finding(
                "dead-letter-queue", "a function reads it, no RedrivePolicy", "a RedrivePolicy"
            )
