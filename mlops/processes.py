"""Child processes that do not outlive the command that starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlops.errors import ToolError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_GRACE_SECONDS = 5.0


@dataclass
class Processes:
    """Child processes that must not outlive the block they are started in.

    Each is the leader of its own session: a Ctrl-C reaches only this process, which then ends
    the children in order. What they leave in their temporary folder goes with the block: the
    CDK's Node.js unpacks itself there, and does not clean up when it is interrupted.
    """

    running: list[subprocess.Popen[str]] = field(default_factory=list)
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    scratch: TemporaryDirectory[str] | None = None

    def run(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run a program to its end and return its standard output.

        Raises
        ------
        ToolError
            If it ends with an error; the message holds the last of what it printed.
        """
        with self.lock:
            if self.closed:
                raise ToolError(f"{Path(command[0]).name} is not started: the command is ending")
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**env, **self._temporary()},
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self.running.append(process)
        with process:  # a Ctrl-C leaves it at once; `__exit__` ends the process
            printed, complained = process.communicate()
        with self.lock:
            self.running.remove(process)
        if process.returncode != 0:
            raise ToolError(_failure(command, process.returncode, complained or printed))
        return printed

    def _temporary(self) -> dict[str, str]:
        return {"TMPDIR": self.scratch.name} if self.scratch else {}

    def __enter__(self) -> Processes:
        self.scratch = TemporaryDirectory(prefix="mlops-", ignore_cleanup_errors=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self.lock:
            self.closed = True
            left = list(self.running)
        for process in left:
            end_process_group(process)
        if self.scratch:
            self.scratch.cleanup()


def end_process_group(process: subprocess.Popen[str]) -> None:
    """Ask a session's processes to end, and make them after a grace period."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


def _failure(command: Sequence[str], returncode: int, printed: str) -> str:
    lines = [line for line in printed.splitlines() if line.strip()]
    said = one_line(" | ".join(lines[-6:])) or "it printed nothing"
    return f"`{Path(command[0]).name} {' '.join(command[1:3])}` ended with {returncode}: {said}"
