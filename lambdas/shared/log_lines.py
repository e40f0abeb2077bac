"""The last lines of a log, as many as a notification has room for."""

from collections.abc import Iterator, Sequence

from shared import aws

LOG_LINES = 20
LOG_BYTES = 4096
LINE_LENGTH = 1000


def newest(log_group: str, log_stream: str, *, count: int = LOG_LINES) -> Iterator[str]:
    """Yield the last lines of one stream, each cut to what is read of it."""
    answer = aws.logs().get_log_events(
        logGroupName=log_group, logStreamName=log_stream, limit=count, startFromHead=False
    )
    yield from (event["message"].rstrip()[:LINE_LENGTH] for event in answer["events"])


def bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """Keep the last of the lines that fit into a notification."""
    kept: list[str] = []
    for line in reversed(lines[-LOG_LINES:]):
        if len("\n".join([line, *kept]).encode()) > LOG_BYTES:
            break
        kept.insert(0, line)
    return tuple(kept)
