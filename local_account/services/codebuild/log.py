"""A build's log: a file that its commands and CodeBuild write to, shipped to CloudWatch."""

import os
from datetime import UTC, datetime
from pathlib import Path

from local_account.limits import MIB
from local_account.log_shipping import LogStream

MAX_BYTES = 16 * MIB
"""What is shipped of one build: CloudWatch Logs are kept in the account's memory."""
_MAX_LINES = 100_000
_SHORTEST_SECRET = 4  # a shorter one would black out unrelated text


class BuildLog(LogStream):
    """The log of one build.

    Attributes
    ----------
    exceeded : str
        The limit that the log has come to, in words.
    secrets : list of str
        What is written as `***`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, hide=self._hidden)
        self.exceeded = ""
        self.secrets: list[str] = []
        self._bytes = self._lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def say(self, line: str) -> None:
        """Add a line of CodeBuild's own, after whatever a command has left unfinished."""
        text = f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f} {line}\n"
        with self.path.open("ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                text = f"\n{text}"
            file.write(text.encode(errors="replace"))

    def ship(self, rest: bool = False) -> None:
        """Send the lines written since the last time, as long as no limit is exceeded."""
        if self.exceeded:
            return
        for lines in self.pieces(rest):
            self._count(lines)
            if self.exceeded:
                return

    def cut(self) -> None:
        """Drop what was written and not shipped, and go on with CodeBuild's own lines."""
        self.ship(rest=True)
        os.truncate(self.path, self.shipped)
        self.exceeded, self._bytes, self._lines = "", 0, 0

    def _count(self, lines: list[str]) -> None:
        self._bytes += sum(map(len, lines)) + len(lines)
        self._lines += len(lines)
        for what, found, allowed in (
            ("bytes", self._bytes, MAX_BYTES),
            ("lines", self._lines, _MAX_LINES),
        ):
            if found > allowed:
                self.exceeded = f"the build was killed: its log has over {allowed} {what}"

    def _hidden(self, line: str) -> str:
        for secret in self.secrets:
            if len(secret) >= _SHORTEST_SECRET:
                line = line.replace(secret, "***")
        return line
