"""Events as AWS sends them, and a stubbed client in place of each of the Lambdas' own."""

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from shared import aws
from tests.unit.lambdas.account_in_memory import TABLE, Account

EVENTS = Path(__file__).parent / "events"
# Powertools reads its variables when a handler is imported.
COMMON = {
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "test",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
os.environ.update(COMMON)


@pytest.fixture
def event() -> Callable[[str], Any]:
    return lambda name: json.loads((EVENTS / f"{name}.json").read_text())


@pytest.fixture
def context() -> SimpleNamespace:
    """What Powertools' logger reads of Lambda's context."""
    return SimpleNamespace(
        function_name="function",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-west-1:111122223333:function:function",
        aws_request_id="11111111-2222-3333-4444-555555555555",
    )


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the variables that every Lambda gets, and some more."""

    def set_variables(**variables: str) -> None:
        for name, value in (COMMON | variables).items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stubber]]:
    """Stub one of `shared.aws`'s clients; requests and answers are checked by botocore."""
    stubbers: dict[str, Stubber] = {}

    def of(name: str) -> Stubber:
        if name not in stubbers:
            service = {"step_functions": "stepfunctions", "lambda_": "lambda"}.get(
                name, name.replace("_", "-")
            )
            client = boto3.session.Session().client(  # type: ignore[call-overload] # any service
                service,
                region_name="eu-west-1",
                aws_access_key_id="none",
                aws_secret_access_key="none",  # pragma: allowlist secret
            )
            stubbers[name] = Stubber(client)
            stubbers[name].activate()
            monkeypatch.setattr(aws, name, lambda: client)
        return stubbers[name]

    yield of
    for stubber in stubbers.values():
        stubber.assert_no_pending_responses()


@cache
def table_client() -> Any:
    """One client for all tests: to build it takes longer than to use it."""
    return boto3.session.Session().client(
        "dynamodb",
        region_name="eu-west-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # pragma: allowlist secret
    )


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Put an account in memory in place of every client; the run table is moto's."""
    with mock_aws():
        dynamodb = table_client()
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        in_memory = Account(dynamodb)
        for name, client in in_memory.clients():
            monkeypatch.setattr(aws, name, lambda client=client: client)
        yield in_memory
