"""A log file that is shipped: whole lines, each once, whatever becomes of a request."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.log_shipping import LogStream


class Logs:
    """Stands for CloudWatch Logs, which has as many groups as it was asked for."""

    class exceptions:
        class ResourceNotFoundException(ClientError):
            pass

        class ResourceAlreadyExistsException(ClientError):
            pass

    def __init__(self) -> None:
        self.groups: list[str] = []
        self.pieces: list[list[str]] = []
        self.failing = False

    def create_log_group(self, logGroupName: str) -> None:
        self.groups.append(logGroupName)

    def create_log_stream(self, logGroupName: str, logStreamName: str) -> None:
        if logGroupName not in self.groups:
            answer: Any = {"Error": {"Code": "ResourceNotFoundException", "Message": "none"}}
            raise self.exceptions.ResourceNotFoundException(answer, "CreateLogStream")

    def put_log_events(
        self, logGroupName: str, logStreamName: str, logEvents: list[dict[str, Any]]
    ) -> None:
        if self.failing:
            answer: Any = {"Error": {"Code": "ThrottlingException", "Message": "later"}}
            raise ClientError(answer, "PutLogEvents")
        self.pieces.append([each["message"] for each in logEvents])


@pytest.fixture
def logs() -> Logs:
    return Logs()


def test_lines_are_shipped_once_and_again_only_after_a_failure(logs: Logs, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\nunfini")
    shipped = LogStream(log, logs, "group", "stream", hide=str.upper)
    logs.failing = True
    shipped.ship()
    assert logs.pieces == []
    logs.failing = False
    shipped.ship()
    shipped.ship()
    assert logs.pieces == [["ONE"]]
    log.write_text("one\nunfinished\r\n\nrest")
    shipped.ship()
    shipped.ship(rest=True)
    assert logs.pieces == [["ONE"], ["UNFINISHED"], ["REST"]]
    assert logs.groups == ["group"]


def test_a_request_has_no_more_lines_than_the_service_takes(logs: Logs, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x\n" * 12_000 + "y" * 300_000)
    LogStream(log, logs, "group", "stream").ship(rest=True)
    assert [len(piece) for piece in logs.pieces] == [5000, 5000, 2001, 1]
    assert sum(len(line) for piece in logs.pieces for line in piece) == 312_000
