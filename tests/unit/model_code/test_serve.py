"""Serving: the same answers as evaluation, and a refusal with a reason for everything else."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from model_code.runtime.artifact import load_artifact
from model_code.runtime.errors import ArtifactError
from model_code.runtime.serve import MAX_BODY_BYTES, Application, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.model_code.conftest import Job

ROW = b"M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15"
CSV = (b"content-type", b"text/csv")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


@pytest.fixture(scope="module")
def application(finished_job: Job) -> Application:
    return Application(load_artifact(finished_job.paths.model))


def ask(
    application: Application,
    body: bytes | Sequence[bytes] = b"",
    method: str = "POST",
    path: str = "/invocations",
    headers: Sequence[tuple[bytes, bytes]] = (CSV,),
) -> Answer:
    chunks = [body] if isinstance(body, bytes) else list(body)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not chunks:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(application(scope, receive, send))
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])


def test_ping_is_empty_and_ok(application: Application) -> None:
    answer = ask(application, method="GET", path="/ping", headers=())
    assert (answer.status, answer.body) == (200, b"")


def test_each_row_gets_one_line(application: Application) -> None:
    answer = ask(application, ROW + b"\n" + ROW + b"\r\n")
    assert answer.status == 200
    assert answer.headers[b"content-type"].startswith(b"text/csv")
    first, second = answer.body.decode().splitlines()
    assert first == second
    assert 5 < float(first) < 20


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-type", b"text/csv; charset=utf-8")],
        [(b"content-type", b"Text/CSV"), (b"accept", b"application/json, */*;q=0.1")],
        [(b"content-type", b"text/csv"), (b"accept", b"TEXT/CSV")],
        [CSV, (b"x-amzn-sagemaker-custom-attributes", b"anything")],
    ],
)
def test_headers_that_mean_csv_are_accepted(
    application: Application, headers: list[tuple[bytes, bytes]]
) -> None:
    assert ask(application, ROW, headers=headers).status == 200


def test_a_body_in_chunks_is_one_body(application: Application) -> None:
    assert ask(application, [ROW[:7], ROW[7:]]).body == ask(application, ROW).body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "request: found an empty file"),
        (b"\n", "request: found no rows"),
        (ROW + b",15", "request line 1: found 9 values, expected 8 values"),
        (ROW.rpartition(b",")[0], "request line 1: found 7 values, expected 8 values"),
        (ROW + b"\n" + ROW.replace(b"M", b"X"), "line 2 column 1 (sex): found 'X', expected one"),
        (ROW.replace(b"0.455", b"true"), "line 1 column 2 (length): found 'true'"),
        (ROW.replace(b"0.455", b"'0.455'"), "line 1 column 2 (length): found"),
        (ROW.replace(b"0.455", b"nan"), "line 1 column 2 (length): found 'nan'"),
        (b'{"sex": "M"}', "request line 1: found JSON, expected CSV rows"),
        (b"\xff\xfe", "found UTF-16 text"),
    ],
)
def test_a_bad_row_is_refused_with_line_and_column(
    application: Application, body: bytes, expected: str
) -> None:
    answer = ask(application, body)
    assert answer.status == 400
    assert expected in answer.body.decode()
    assert answer.body.count(b"\n") == 1


@pytest.mark.parametrize(
    ("request_parts", "status"),
    [
        ({"headers": ()}, 415),
        ({"headers": [(b"content-type", b"application/json")]}, 415),
        ({"headers": [(b"content-type", b"text/csv; charset=latin-1")]}, 415),
        ({"headers": [CSV, (b"accept", b"application/json")]}, 406),
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
        ({"method": "POST", "path": "/ping"}, 405),
        ({"path": "/"}, 404),
        ({"path": "/invocations/../ping"}, 404),
    ],
)
def test_another_request_is_refused_with_its_status(
    application: Application, request_parts: dict[str, Any], status: int
) -> None:
    answer = ask(application, ROW, **request_parts)
    assert answer.status == status
    assert b"expected" in answer.body or b"accepted" in answer.body


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read(
    application: Application,
) -> None:
    chunk = bytes(1024 * 1024)
    assert ask(application, [chunk] * 6).status == 400
    answer = ask(application, [*[chunk] * 6, b"1"])
    assert answer.status == 413
    assert str(MAX_BODY_BYTES).encode() in answer.body


def test_nothing_is_sent_to_a_client_that_left(application: Application) -> None:
    with pytest.raises(IndexError):
        ask(application, [])


def test_a_model_that_is_not_the_described_one_is_not_served(
    finished_job: Job, new_job: Job
) -> None:
    new_job.paths.model.mkdir()
    for path in finished_job.paths.model.iterdir():
        content = path.read_bytes() + (b"\n" if path.name == "contract.toml" else b"")
        (new_job.paths.model / path.name).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"contract\.toml of the model artifact"):
        serve(new_job.paths)


def test_a_missing_model_ends_the_process_with_one_line(new_job: Job) -> None:
    ended = new_job.run("serve")
    assert ended.returncode == 1
    assert ended.stderr.startswith("ArtifactError: ")
    assert ended.stderr.count("\n") == 1


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int

    def post(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer


@pytest.fixture(scope="module")
def server(finished_job: Job, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = finished_job.environment(
        SAGEMAKER_BIND_TO_PORT=str(port), MODEL_CODE_BIND_HOST="127.0.0.1"
    )
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            finished_job.command("serve"), env=environment, stdout=output, stderr=output
        )
    try:
        wait_until_ready(process, port, log)
        yield Server(process, port)
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    pytest.fail(f"the server did not get ready: {log.read_text()}")


def test_the_server_answers_what_evaluation_wrote(server: Server, finished_job: Job) -> None:
    test = finished_job.report("evaluation", "model_test.json")
    status, body = server.post("\n".join(test["rows"]).encode())
    assert status == 200
    assert [float(line) for line in body.split()] == test["predictions"]
    one_by_one = [server.post(row.encode())[1] for row in test["rows"][:20]]
    assert b"".join(one_by_one) == b"\n".join(body.split()[:20]) + b"\n"


def test_the_server_answers_a_body_that_is_too_large(server: Server) -> None:
    status, _ = server.post(bytes(10 * 1024 * 1024))
    assert status == 413
    assert server.post(ROW)[0] == 200


def test_sigterm_ends_the_server_with_code_0(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(timeout=10) == 0
