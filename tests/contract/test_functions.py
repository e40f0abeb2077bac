"""Lambda and its logs."""

import io
import json
import time
import zipfile
from typing import Any

import pytest

from tests.contract.account import Aws, refused

MISSING = "ResourceNotFoundException"
CODE = """
import json, os

def handler(event, context):
    print("handling", event)
    if "raise" in event:
        raise ValueError(event["raise"])
    return {"mark": os.environ["MARK"], "event": event, "name": context.function_name}
"""


def archive(code: str) -> bytes:
    """Return a function's code as a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        member = zipfile.ZipInfo("main.py")
        member.external_attr = 0o644 << 16
        opened.writestr(member, code)
    return content.getvalue()


def function(aws: Aws, code: str = CODE) -> dict[str, str]:
    """Create a function that may write logs, ready to be invoked."""
    client, named = aws.client("lambda"), {"FunctionName": aws.name("function")}
    group = aws.arn("logs", f"log-group:/aws/lambda/{named['FunctionName']}")
    role = aws.role(
        "lambda.amazonaws.com",
        (["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:*"),
    )
    client.create_function(
        **named,
        Runtime="python3.13",
        Role=role,
        Handler="main.handler",
        Code={"ZipFile": archive(code)},
        Timeout=10,
        MemorySize=256,
        Environment={"Variables": {"MARK": "first"}},
    )
    aws.later(
        aws.client("logs").delete_log_group, logGroupName=f"/aws/lambda/{aws.name('function')}"
    )
    aws.later(client.delete_function, **named)
    _ready(aws, named)
    return named


def _ready(aws: Aws, named: dict[str, str]) -> None:
    client = aws.client("lambda")

    def settled() -> bool:
        found = client.get_function_configuration(**named)
        return (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")

    aws.until(settled)


def _invoke(aws: Aws, named: dict[str, str], **event: Any) -> tuple[str | None, Any]:
    answer = aws.client("lambda").invoke(**named, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


@pytest.mark.contract(
    *("lambda:CreateFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration"),
    *("lambda:ListFunctions", "lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode"),
    *("lambda:Invoke", "lambda:DeleteFunction"),
)
def test_a_function_from_creation_to_deletion(aws: Aws) -> None:
    client, named = aws.client("lambda"), function(aws)
    assert _invoke(aws, named, n=1) == (
        None,
        {"mark": "first", "event": {"n": 1}, "name": named["FunctionName"]},
    )
    error, document = _invoke(aws, named, **{"raise": "why"})
    assert error == "Unhandled"
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "why")
    assert document["stackTrace"]
    client.update_function_configuration(**named, Environment={"Variables": {"MARK": "second"}})
    _ready(aws, named)
    assert _invoke(aws, named)[1]["mark"] == "second"
    changed = "def handler(event, context): return 'changed'"
    client.update_function_code(**named, ZipFile=archive(changed))
    _ready(aws, named)
    assert _invoke(aws, named) == (None, "changed")
    found = client.get_function(**named)["Configuration"]
    assert (found["Timeout"], found["MemorySize"], found["Handler"]) == (10, 256, "main.handler")
    pages = client.get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    assert named["FunctionName"] in names

    again = {
        **named,
        "Runtime": "python3.13",
        "Role": found["Role"],
        "Handler": "main.handler",
        "Code": {"ZipFile": archive(CODE)},
    }
    assert refused(client.create_function, **again) == "ResourceConflictException"
    client.delete_function(**named)
    absent = {"FunctionName": aws.name("absent")}
    for call in (client.get_function, client.invoke, client.delete_function):
        assert refused(call, **absent) == MISSING
    too_large = {**named, "Payload": json.dumps("x" * (6 << 20))}
    assert refused(client.invoke, **too_large) in (MISSING, "RequestTooLargeException", "413")


@pytest.mark.contract(
    *("lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission"),
    *("lambda:PutFunctionEventInvokeConfig", "lambda:DeleteFunctionEventInvokeConfig"),
    "lambda:GetFunctionEventInvokeConfig",
)
def test_who_may_invoke_a_function_and_how_often_it_is_tried(aws: Aws) -> None:
    client, named = aws.client("lambda"), function(aws)
    permission = {"StatementId": "rule", "Action": "lambda:InvokeFunction"}
    rule = aws.arn("events", f"rule/{aws.prefix}")
    by = {"Principal": "events.amazonaws.com", "SourceArn": rule}
    client.add_permission(**named, **permission, **by)
    (statement,) = json.loads(client.get_policy(**named)["Policy"])["Statement"]
    assert statement["Sid"] == "rule"
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": rule}}
    client.remove_permission(**named, StatementId="rule")
    assert refused(client.get_policy, **named) == MISSING
    kept = client.put_function_event_invoke_config(**named, MaximumRetryAttempts=1)
    assert kept["MaximumRetryAttempts"] == 1
    assert client.get_function_event_invoke_config(**named)["MaximumRetryAttempts"] == 1
    client.delete_function_event_invoke_config(**named)
    assert refused(client.get_function_event_invoke_config, **named) == MISSING
    assert refused(client.delete_function_event_invoke_config, **named) == MISSING


@pytest.mark.contract(
    *("logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:DeleteLogGroup"),
    *("logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"),
    *("logs:CreateLogStream", "logs:DescribeLogStreams"),
    *("logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents"),
)
def test_a_log_group_from_creation_to_deletion(aws: Aws) -> None:
    logs, group = aws.client("logs"), {"logGroupName": aws.name("group")}
    logs.create_log_group(**group)
    aws.later(logs.delete_log_group, **group)
    assert refused(logs.create_log_group, **group) == "ResourceAlreadyExistsException"
    logs.put_retention_policy(**group, retentionInDays=7)

    def described() -> dict[str, Any]:
        found = logs.describe_log_groups(logGroupNamePrefix=aws.prefix)["logGroups"]
        return dict(found[0]) if found else {}

    aws.until(lambda: described().get("retentionInDays") == 7)
    logs.delete_retention_policy(**group)
    aws.until(lambda: "retentionInDays" not in described())
    stream = {**group, "logStreamName": "stream/1"}
    logs.create_log_stream(**stream)
    assert refused(logs.create_log_stream, **stream) == "ResourceAlreadyExistsException"
    now = int(time.time() * 1000)
    events = [{"timestamp": now + n, "message": f"line {n}"} for n in range(3)]
    logs.put_log_events(**stream, logEvents=events)
    read = {**stream, "startFromHead": True}
    got = aws.until(lambda: logs.get_log_events(**read)["events"])
    assert [each["message"] for each in got] == ["line 0", "line 1", "line 2"]
    found = aws.until(lambda: logs.filter_log_events(**group, filterPattern='"line 1"')["events"])
    assert [each["message"] for each in found] == ["line 1"]
    listed = logs.describe_log_streams(**group, logStreamNamePrefix="stream/")["logStreams"]
    assert [each["logStreamName"] for each in listed] == ["stream/1"]
    logs.delete_log_group(**group)
    for call in (logs.delete_log_group, logs.describe_log_streams):
        assert refused(call, **group) == MISSING
    assert refused(logs.put_log_events, **stream, logEvents=events) == MISSING
