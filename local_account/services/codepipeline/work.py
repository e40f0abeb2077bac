"""What an action that is being carried out has: its execution, its role, and how it waits."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from local_account.service import Account
from local_account.services.codepipeline.records import ActionRun, Execution, Pipeline
from local_account.services.codepipeline.roles import ActionRole

Found = TypeVar("Found")


class Left(Exception):
    """Nobody waits for an action any more: it was abandoned, or the account is stopping."""


@dataclass(frozen=True)
class Work:
    """One execution of an action."""

    account: Account
    pipeline: Pipeline
    execution: Execution
    run: ActionRun
    closing: threading.Event

    @property
    def role(self) -> ActionRole:
        """The role of the action."""
        own: str = self.run.action.get("roleArn", "")
        pipeline_role: str = self.execution.definition["roleArn"]
        return ActionRole(self.account, self.pipeline.arn, pipeline_role, own)

    def until(
        self, ready: Callable[[], Found | None], every_seconds: float, seconds: float
    ) -> Found | None:
        """Return what `ready` returns as soon as it is something, or nothing after so long.

        Raises
        ------
        Left
            If nobody waits any more.
        """
        deadline = time.monotonic() + seconds
        while (found := ready()) is None:
            if self.run.leaves.wait(every_seconds) or self.closing.is_set():
                raise Left
            if time.monotonic() > deadline:
                return None
        return found
