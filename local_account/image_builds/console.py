"""Where a build's output goes, and how what it runs ends when nobody waits for it any more."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_account.contained import Isolation, Process, leader
from local_account.limits import Limits, Watch

_PIECE_BYTES = 64 * 1024
_WITHHELD_BYTES = 64 * 1024


class Cancelled(Exception):
    """The client of a build has ended, so the build ends too."""


class BuildError(Exception):
    """A build fails; the message is one line for who started it."""


class Console:
    """The output of one request.

    Parameters
    ----------
    write
        Takes output as it comes; it raises OSError when nobody reads it any more.
    """

    def __init__(self, write: Callable[[bytes], None], limits: Limits | None = None) -> None:
        self._write, self._limits = write, limits or Limits()
        self._lock, self._cancelled = threading.Lock(), False
        self._process: Process | None = None
        self.quiet, self._withheld = False, b""

    def say(self, line: str) -> None:
        """Print a line."""
        self.show(f"{line}\n".encode())

    def show(self, content: bytes) -> None:
        """Print output as it came."""
        if self._cancelled:
            raise Cancelled
        if self.quiet:
            self._withheld = (self._withheld + content)[-_WITHHELD_BYTES:]
            return
        try:
            self._write(content)
        except OSError as error:
            raise Cancelled from error

    def show_withheld(self) -> None:
        """Print the end of what was not shown, for the build that was to be quiet has failed."""
        withheld, self._withheld, self.quiet = self._withheld, b"", False
        if withheld:
            self.show(withheld)

    def cancel(self) -> None:
        """Kill what runs; whatever is printed next ends the request."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def follow(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        isolation: Isolation = "process",
        folder: Path | None = None,
        written: Sequence[Path] = (),
    ) -> int:
        """Run a command to its end, showing its output as it comes; return its exit status.

        Raises
        ------
        Cancelled
            If nobody waits for it any more; the command is killed.
        BuildError
            If it used more of this machine than it may; `written` is where it writes files.
        """
        popen = subprocess.Popen(
            [*leader(isolation, self._limits), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        process = Process(popen, isolation)
        with self._lock:
            self._process = process
            if self._cancelled:  # while it started
                process.kill()
        watch = Watch(self._limits, popen.pid, Path(os.devnull), list(written))
        # its end ends what it left behind, and so the output
        for work in (lambda: process.watch(watch), lambda: process.wait(None)):
            threading.Thread(target=work, daemon=True).start()
        try:
            self._show_all(popen)
            status = process.wait(None)
        finally:
            process.kill()
            with self._lock:
                self._process = None
        if process.exceeded:
            raise BuildError(process.exceeded)
        return 1 if status is None else status

    def _show_all(self, popen: "subprocess.Popen[bytes]") -> None:
        if popen.stdout is None:
            return
        with popen.stdout as output:
            while piece := os.read(output.fileno(), _PIECE_BYTES):
                self.show(piece)
        if self._cancelled:
            raise Cancelled
