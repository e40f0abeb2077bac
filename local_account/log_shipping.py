"""A log file on its way to CloudWatch Logs, as far as it has been written."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_PIECE_BYTES, _PIECE_LINES = 256 * 1024, 5000  # within what one PutLogEvents takes


class LogStream:
    """Ships a log file to a stream; without a client its lines go nowhere.

    Whoever writes the file never fails because it cannot be shipped: it is tried again.

    Parameters
    ----------
    hide
        What a line goes through before it is shipped.
    """

    def __init__(
        self,
        path: Path,
        client: Any = None,
        group: str = "",
        stream: str = "",
        hide: Callable[[str], str] = str,
    ) -> None:
        self.path, self.shipped = path, 0
        self._client, self._group, self._stream = client, group, stream
        self._hide, self._created = hide, False

    def open(self, client: Any, group: str, stream: str) -> None:
        """Ship to a stream from now on, which is created, as is its group where there is none.

        Raises
        ------
        ClientError
            If the client may not.
        """
        self._client, self._group, self._stream = client, group, stream
        self._create()

    def close(self) -> None:
        """Ship nothing more."""
        self._client = None

    def ship(self, rest: bool = False) -> None:
        """Send the lines written since the last time; with `rest` also an unfinished one."""
        for _ in self.pieces(rest):
            pass

    def pieces(self, rest: bool = False) -> Iterator[list[str]]:
        """Do so piece by piece, and yield the lines of each that was sent."""
        with contextlib.suppress(BotoCoreError, ClientError):
            while content := self._next(rest):
                lines = [line.decode(errors="replace") for line in content.splitlines() if line]
                self._send(lines)
                self.shipped += len(content)
                yield lines

    def note(self, line: str) -> None:
        """Add a line of the account's own, such as why the container was killed."""
        with self.path.open("a") as log:
            log.write(f"{line}\n")

    def _next(self, rest: bool) -> bytes:
        with self.path.open("rb") as log:
            log.seek(self.shipped)
            content = log.read(_PIECE_BYTES)
        whole = content[: content.rfind(b"\n") + 1]
        piece = content if rest or (len(content) == _PIECE_BYTES and not whole) else whole
        return b"".join(piece.splitlines(keepends=True)[:_PIECE_LINES])

    def _send(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": self._hide(line)} for line in lines]
        if self._client is None or not events:
            return
        if not self._created:
            self._create()
        where = {"logGroupName": self._group, "logStreamName": self._stream}
        self._client.put_log_events(**where, logEvents=events)

    def _create(self) -> None:
        where = {"logGroupName": self._group, "logStreamName": self._stream}
        exists = self._client.exceptions.ResourceAlreadyExistsException
        try:
            with contextlib.suppress(exists):
                self._client.create_log_stream(**where)
        except self._client.exceptions.ResourceNotFoundException:
            with contextlib.suppress(exists):
                self._client.create_log_group(logGroupName=self._group)
            with contextlib.suppress(exists):
                self._client.create_log_stream(**where)
        self._created = True
