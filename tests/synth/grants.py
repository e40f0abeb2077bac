"""What roles may do, by action: declared in tests, read from templates."""

import re
from typing import Any

from tests.synth.assembly import OF_ATTRIBUTES, listed, of_type, resolved

Grants = dict[str, set[str]]
Statement = dict[str, Any]

TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def on(resources: str | set[str], *actions: str) -> Grants:
    return dict.fromkeys(actions, {resources} if isinstance(resources, str) else resources)


def opens(*keys: str) -> Grants:
    return on({f"Bucket/{key}" for key in keys}, "s3:GetObject") | on("Key", "kms:Decrypt")


def reads(*keys: str) -> Grants:
    return opens(*keys) | on("Bucket", "s3:ListBucket")


def writes(key: str) -> Grants:
    return on(f"Bucket/{key}", "s3:PutObject") | on("Key", "kms:GenerateDataKey")


def function(name: str, *grants: Grants) -> Grants:
    logging = on(f"{name}Logs", "logs:CreateLogStream", "logs:PutLogEvents")
    return merged(logging, on("*", *TRACING), *grants)


def table(*actions: str) -> Grants:
    return on("RunTable", *(f"dynamodb:{action}" for action in actions)) | used()


def used() -> Grants:
    return on("Key", "kms:Decrypt", "kms:GenerateDataKey")


def fed_by_events(name: str, *grants: Grants) -> Grants:
    return function(name, on("DeadLetterQueue", "sqs:SendMessage"), used(), *grants)


def merged(*grants: Grants) -> Grants:
    """Put grants together, whose resources of one action add up."""
    found: Grants = {}
    for grant in grants:
        for action, resources in grant.items():
            found.setdefault(action, set()).update(resources)
    return found


def statements(template: dict[str, Any]) -> dict[str, list[Statement]]:
    """Every role's statements, by the role's name without CDK's hash."""
    found: dict[str, list[Statement]] = {}
    for policy in of_type(template, "AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            name = role["Ref"][:-8]
            found.setdefault(name, []).extend(policy["PolicyDocument"]["Statement"])
    return found


def short(resource: Any) -> str:
    """What of an ARN names the resource, without CDK's prefixes and hashes."""
    text = resolved(resource)
    if found := OF_THE_STACKS.search(text) or IMPORTED.search(text):
        return f"{found[1]}{found[2]}"
    return EXPORT_HASH.sub(r"\1", text.rpartition("AWS::AccountId:")[2].replace(OF_ATTRIBUTES, ""))


# `GetAtt` of a resource of this stack or, by an export, of the other; then a pattern of keys.
OF_THE_STACKS = re.compile(
    r"(?:ExportsOutputFnGetAtt)?(\w+?)(?:[0-9A-F]{8})?Arn(?:[0-9A-F]{8})?((?:/.*)?)$"
)
EXPORT_HASH = re.compile(r"(ExportsOutput\w+?)[0-9A-F]{8}\b")
IMPORTED = re.compile(r"ExportsOutputRef(\w+?)(?:[0-9A-F]{8}){1,2}((?:/.*)?)$")


def grants(policy: list[Statement]) -> Grants:
    found: Grants = {}
    for statement in policy:
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            names = {short(resource) for resource in listed(statement["Resource"])}
            found.setdefault(action, set()).update(names)
    return found
