"""An error that nobody foresaw ends a deployment, too."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_account.service import Account
from local_account.services.cloudformation.deployment import Deployments
from local_account.services.cloudformation.stacks import Registry, Stack, Version


@pytest.mark.parametrize(
    ("on_failure", "status"), [("ROLLBACK", "ROLLBACK_COMPLETE"), ("DO_NOTHING", "CREATE_FAILED")]
)
def test_an_unforeseen_error_fails_the_stack(
    capfd: pytest.CaptureFixture[str], on_failure: str, status: str
) -> None:
    def announce(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    account = Account("1", "eu-west-1", "http://localhost", "k", "s", Path(), Path())
    resources: Any = SimpleNamespace(announce=announce)
    stack = Stack("arn", "s", "CREATE_IN_PROGRESS")
    stack.version = Version(template={"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
    Deployments(Registry(account), resources).create(stack, on_failure)
    assert (stack.status, stack.status_reason) == (status, "nobody foresaw this")
    assert "RuntimeError" in capfd.readouterr().err  # the account's log has where
