"""A build's log: a file that its commands and CodeBuild write to, shipped to CloudWatch."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.limits import MIB

MAX_BYTES = 16 * MIB
"""What is shipped of one build: CloudWatch Logs are kept in the account's memory."""
_MAX_LINES = 100_000
_BATCH_BYTES, _BATCH_LINES = 256 * 1024, 5000
_SHORTEST_SECRET = 4  # a shorter one would black out unrelated text


class BuildLog:
    """The log of one build.

    Attributes
    ----------
    exceeded : str
        The limit that the log has come to, in words.
    secrets : list of str
        What is written as `***`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.exceeded = path, ""
        self.secrets: list[str] = []
        self._client: Any = None
        self._target: dict[str, str] = {}
        self._offset = self._bytes = self._lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def open(self, client: Any, group: str, stream: str) -> None:
        """Create the stream that the log is shipped to, and its group where there is none.

        Raises
        ------
        ClientError
            If the client may not.
        """
        try:
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        except client.exceptions.ResourceNotFoundException:
            client.create_log_group(logGroupName=group)
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        self._client = client
        self._target = {"logGroupName": group, "logStreamName": stream}

    def close(self) -> None:
        """Ship nothing more: the account is stopping."""
        self._client = None

    def say(self, line: str) -> None:
        """Add a line of CodeBuild's own, after whatever a command has left unfinished."""
        text = f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f} {line}\n"
        with self.path.open("ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                text = f"\n{text}"
            file.write(text.encode(errors="replace"))

    def ship(self, rest: bool = False) -> None:
        """Send the lines written since the last time; with `rest` also an unfinished one."""
        while not self.exceeded and (content := self._next(rest)):
            lines = [line for line in content.decode(errors="replace").splitlines() if line]
            for start in range(0, len(lines), _BATCH_LINES):
                self._send(lines[start : start + _BATCH_LINES])
            self._offset += len(content)
            self._count(len(content), len(lines))

    def cut(self) -> None:
        """Drop what was written and not shipped, and go on with CodeBuild's own lines."""
        self.ship(rest=True)
        os.truncate(self.path, self._offset)
        self.exceeded, self._bytes, self._lines = "", 0, 0

    def _count(self, size: int, lines: int) -> None:
        self._bytes, self._lines = self._bytes + size, self._lines + lines
        for what, found, allowed in (
            ("bytes", self._bytes, MAX_BYTES),
            ("lines", self._lines, _MAX_LINES),
        ):
            if found > allowed:
                self.exceeded = f"the build was killed: its log has over {allowed} {what}"

    def _next(self, rest: bool) -> bytes:
        with self.path.open("rb") as log:
            log.seek(self._offset)
            content = log.read(_BATCH_BYTES)
        whole = content[: content.rfind(b"\n") + 1]
        return content if rest or (len(content) == _BATCH_BYTES and not whole) else whole

    def _send(self, lines: list[str]) -> None:
        """Send lines; a build does not fail because a part of its log could not be shipped."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        events = [{"timestamp": now, "message": line} for line in map(self._hidden, lines)]
        if self._client is not None:
            with contextlib.suppress(BotoCoreError, ClientError):
                self._client.put_log_events(**self._target, logEvents=events)

    def _hidden(self, line: str) -> str:
        for secret in self._secrets():
            line = line.replace(secret, "***")
        return line

    def _secrets(self) -> Iterator[str]:
        return (secret for secret in self.secrets if len(secret) >= _SHORTEST_SECRET)
