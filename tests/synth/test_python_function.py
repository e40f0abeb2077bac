"""What a Lambda gets only if it is asked for."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from stacks.constructs.python_function import PythonFunction


@pytest.fixture
def stack() -> Stack:
    return Stack(App(), "stack")


def resources(stack: Stack, resource_type: str) -> list[dict[str, Any]]:
    found = Template.from_stack(stack).find_resources(resource_type)
    return [dict(resource["Properties"]) for resource in found.values()]


def add_function(stack: Stack, folder: Path, **options: Any) -> None:
    (folder / "handler.py").write_text("")
    PythonFunction(
        stack,
        "OneLambda",
        code=lambda_.Code.from_asset(str(folder)),
        key=kms.Key(stack, "LogKey"),
        module="one",
        description="One",
        metrics_namespace="tests",
        log_retention_days=7,
        environment={},
        **options,
    )


def test_a_function_has_no_queue_of_its_own(stack: Stack, tmp_path: Path) -> None:
    add_function(stack, tmp_path)
    (function,) = resources(stack, "AWS::Lambda::Function")
    assert "DeadLetterConfig" not in function


def test_a_function_may_send_to_its_dead_letter_queue(stack: Stack, tmp_path: Path) -> None:
    queue = sqs.Queue(stack, "Queue", encryption_master_key=kms.Key(stack, "Key"))
    add_function(stack, tmp_path, dead_letter_queue=queue)
    (policy,) = resources(stack, "AWS::IAM::Policy")
    actions = [statement["Action"] for statement in policy["PolicyDocument"]["Statement"]]
    assert "sqs:SendMessage" in actions
    assert ["kms:Decrypt", "kms:GenerateDataKey"] in actions
