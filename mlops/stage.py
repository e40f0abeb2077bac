"""What a demonstration happens on: its processes, its threads, its clock, its terminal."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlops.errors import ToolError
from mlops.git import git_environment
from mlops.node import tool_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from mlops.cdk import Cdk
    from mlops.processes import Processes

Result = TypeVar("Result")


@dataclass
class Stage:
    """Runs the steps of the demo, in front or behind, and times each.

    Steps overlap, so their seconds add up to more than the wall time.
    """

    cdk: Cdk
    console: Console
    processes: Processes
    pool: ThreadPoolExecutor
    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def wall_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block, and show that it goes on."""
        began = time.monotonic()
        with self.console.status(name):
            yield
        self.seconds[name] = time.monotonic() - began

    def behind(self, name: str, work: Callable[[], Result]) -> Future[Result]:
        """Do a step in a thread while others go on."""
        return self.pool.submit(self._timed, name, work)

    def wait(self, name: str, work: Future[Result]) -> Result:
        """Wait for a step that was begun behind."""
        with self.console.status(name):
            return work.result()

    def say(self, name: str, remark: str) -> None:
        """Print how long a step took and what it brought."""
        line = f"{self.seconds[name]:6.1f} s  {name:<10} {remark}"
        self.console.print(line, soft_wrap=True, markup=False)

    def run_cdk(self, command: list[str]) -> None:
        """Run the CDK CLI quietly."""
        self.cdk.run(self.processes, command)

    def run_aws(self, *arguments: str) -> None:
        """Run the AWS CLI of this environment, showing the command as one would type it."""
        self.console.print(f"$ aws {shlex.join(arguments)}", style="dim", soft_wrap=True)
        program = Path(sys.executable).with_name("aws")
        self.processes.run([str(program), *arguments], cwd=self.cdk.root, env=tool_environment())

    def run_git(self, *arguments: str, cwd: Path, shown: bool = True) -> str:
        """Run git in a folder, showing the command as one would type it; return what it prints."""
        if shown:
            self.console.print(f"$ git {shlex.join(arguments)}", style="dim", soft_wrap=True)
        program = shutil.which("git")
        if not program:
            raise ToolError("git is not on PATH. Install git.")
        return self.processes.run([program, *arguments], cwd=cwd, env=git_environment())

    def _timed(self, name: str, work: Callable[[], Result]) -> Result:
        began = time.monotonic()
        result = work()
        self.seconds[name] = time.monotonic() - began
        return result


def ignore_signals() -> None:
    """Let nothing interrupt a clean-up that has begun."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
