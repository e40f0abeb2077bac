"""Functions and state machines of the tests, and their ends."""

import io
import json
import textwrap
import time
import zipfile
from typing import Any

from tests.account.roles import allow_sending, create_role
from tests.account.sagemaker_fixture import until
from tests.conftest import RunningAccount

State = dict[str, Any]
ROLE = "arn:aws:iam::123456789012:role/function"
CODE = """
    import os, subprocess, time
    import boto3

    calls = 0

    def handler(event, context):
        global calls
        calls += 1
        print("handling", event)
        if event.get("child"):
            subprocess.Popen(["sleep", event["child"]])
        if event.get("flood"):
            print(("x" * 999 + "\\n") * event["flood"])
        if event.get("put"):
            bucket, key = event["put"].split("/")
            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
        if event.get("raise"):
            raise ValueError(event["raise"])
        if event.get("exit"):
            os._exit(3)
        time.sleep(event.get("sleep", 0))
        return {
            "calls": calls,
            "environment": dict(os.environ),
            "remaining": context.get_remaining_time_in_millis(),
            "arn": context.invoked_function_arn,
            "padding": "x" * event.get("padding", 0),
        }
"""


def create_function(
    account: RunningAccount,
    name: str,
    code: str = CODE,
    handler: str = "main.handler",
    **configuration: Any,
) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("main.py", textwrap.dedent(code))
    account.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=handler,
        Code={"ZipFile": archive.getvalue()},
        **{
            "Role": create_role(account, "function", "lambda"),
            "Timeout": 2,
            "Environment": {"Variables": {"TABLE": "a table"}},
            **configuration,
        },
    )
    return name


def invoke(account: RunningAccount, name: str, **event: Any) -> tuple[str | None, Any]:
    answer = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def queue(account: RunningAccount, name: str) -> tuple[str, str]:
    """Create a queue that rules and topics may send to, and return its URL and ARN."""
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = got["Attributes"]["QueueArn"]
    allow_sending(account, url, arn, "events", "sns")
    return url, arn


def message(account: RunningAccount, url: str, seconds: float = 10) -> dict[str, Any]:
    """Wait for a message and take it from its queue."""
    sqs = account.client("sqs")

    def received() -> dict[str, Any] | None:
        got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
        return got[0] if got else None

    found: dict[str, Any] = until(received, seconds)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
    return found


def task(resource: str, parameters: dict[str, Any], **more: Any) -> State:
    """Return a task state, the last one unless `Next` is given."""
    end = {} if "Next" in more else {"End": True}
    arn = f"arn:aws:states:::{resource}"
    return {"Type": "Task", "Resource": arn, "Parameters": parameters, **end, **more}


def machine(
    account: RunningAccount, name: str, states: dict[str, State], role: str = "", **more: Any
) -> str:
    """Create a state machine that starts with the first state, and return its ARN."""
    definition = json.dumps({"StartAt": next(iter(states)), "States": states, **more})
    created = account.client("stepfunctions").create_state_machine(
        name=name, definition=definition, roleArn=role or create_role(account, "machine", "states")
    )
    return str(created["stateMachineArn"])


def ended(account: RunningAccount, execution_arn: str) -> dict[str, Any]:
    """Wait for the end of an execution and return its description."""
    client = account.client("stepfunctions")
    deadline = time.monotonic() + 30
    while True:
        execution = client.describe_execution(executionArn=execution_arn)
        if execution["status"] != "RUNNING":
            return dict(execution)
        assert time.monotonic() < deadline, execution
        time.sleep(0.05)


def execute(
    account: RunningAccount, name: str, states: dict[str, State], given: Any = None, **more: Any
) -> dict[str, Any]:
    """Run an execution of a new state machine to its end."""
    started = account.client("stepfunctions").start_execution(
        stateMachineArn=machine(account, name, states, **more), input=json.dumps(given or {})
    )
    return ended(account, started["executionArn"])
