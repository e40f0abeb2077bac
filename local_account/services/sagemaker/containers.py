"""A container's arguments, and its logs in CloudWatch."""

import contextlib
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.images import Image
from local_account.services.sagemaker.plane import Record

_BATCH_BYTES = 256 * 1024


def arguments(image: Image, specification: Record, default: list[str] | None) -> list[str]:
    """Return what a container runs: the request's entrypoint and arguments, or the image's.

    Without arguments and a default it is the image's command.
    """
    entrypoint = specification.get("ContainerEntrypoint")
    given = specification.get("ContainerArguments")
    if entrypoint:
        return [*entrypoint, *(given or [])]
    if given is None:
        given = image.command if default is None else default
    return [*image.entrypoint, *given]


class LogStream:
    """Ships a container's log file to CloudWatch, as far as it has been written.

    A job never fails because its logs cannot be shipped.
    """

    def __init__(self, logs: Any, group: str, stream: str, path: Path) -> None:
        self._client = logs
        self._target = {"logGroupName": group, "logStreamName": stream}
        self._path, self._shipped, self._created = path, 0, False

    def ship(self, rest: bool = False) -> None:
        """Send the lines written since the last time; with `rest` also an unfinished one."""
        with contextlib.suppress(BotoCoreError, ClientError):
            while content := self._next(rest):
                if not self._created:
                    self._create()
                lines = content.decode(errors="replace").splitlines()
                now = int(time.time() * 1000)
                events = [{"timestamp": now, "message": line} for line in lines if line]
                if events:
                    self._client.put_log_events(**self._target, logEvents=events)
                self._shipped += len(content)

    def note(self, line: str) -> None:
        """Add a line of the account's own, such as why the container was killed."""
        with self._path.open("a") as log:
            log.write(f"{line}\n")

    def _next(self, rest: bool) -> bytes:
        with self._path.open("rb") as log:
            log.seek(self._shipped)
            content = log.read(_BATCH_BYTES)
        whole = content[: content.rfind(b"\n") + 1]
        return content if rest or (len(content) == _BATCH_BYTES and not whole) else whole

    def _create(self) -> None:
        with contextlib.suppress(self._client.exceptions.ResourceAlreadyExistsException):
            self._client.create_log_group(logGroupName=self._target["logGroupName"])
        with contextlib.suppress(self._client.exceptions.ResourceAlreadyExistsException):
            self._client.create_log_stream(**self._target)
        self._created = True
