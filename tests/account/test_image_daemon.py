"""The daemon of a build: what it is asked for, what it keeps meanwhile, and how it ends."""

import contextlib
import os
import socket
import tarfile
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from local_account.image_builds import client
from local_account.image_builds.console import Cancelled, Console
from local_account.image_builds.daemon import Daemon, receive
from local_account.image_builds.pushing import Pushing
from local_account.limits import MIB
from tests.account.test_image_builds import Docker, cache, docker

__all__ = ["cache", "docker"]  # fixtures


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ('{"command": "build", "name": 5}', "build: dockerfile is None, expected <class 'str'>"),
        ('{"command": "inspect", "references": [{}], "format": ""}', "inspect: references is [{}]"),
        ('{"command": "run"}', "the daemon does not know 'run'"),
        ("[]", "the request is no command"),
        ("{", "the account cannot do it: Expecting property name"),
    ],
)
def test_a_request_of_another_client_is_refused_in_one_line(
    docker: Docker, request_line: str, expected: str
) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(docker.socket))
        connection.sendall(request_line.encode() + b"\n")
        connection.settimeout(10)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    kind, content = answer[:1], answer[5 : 5 + int.from_bytes(answer[1:5], "big")].decode()
    assert kind == client.ERROR
    assert content.startswith(f"ERROR: {expected}")
    assert content.count("\n") == 1


def test_what_the_account_cannot_do_is_said_in_one_line(docker: Docker, cache: Path) -> None:
    (cache / "layers").write_text("no folder")
    failed = docker.build("one", check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("ERROR: the account cannot do it: ")
    assert str(cache / "layers") in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_all_that_a_build_needs_meanwhile_is_in_the_state_folder(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    docker.build("one")
    assert list((tmp_path / "builds").iterdir()) == []


def test_a_daemon_ends_when_its_builds_have_taken_their_files_away(
    docker: Docker, tmp_path: Path, cache: Path
) -> None:
    started, console = threading.Event(), Console(lambda _: None)
    daemon = Daemon(cache, tmp_path / "own", "process", Pushing(docker.account, docker.tokens))

    def work() -> None:
        with daemon.working(console):
            started.set()
            with contextlib.suppress(Cancelled):
                console.follow(["sleep", "60"], {"PATH": os.defpath})
            time.sleep(0.5)
            (tmp_path / "done").touch()

    threading.Thread(target=work, daemon=True).start()
    started.wait(5)
    daemon.close()
    assert (tmp_path / "done").exists()


def test_a_context_is_not_held_in_memory(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("zeros")
    entry.size = 64 * MIB
    size = tarfile.BLOCKSIZE + entry.size + 2 * tarfile.BLOCKSIZE
    sent = tmp_path / "sent"
    with sent.open("wb") as file:  # an archive in one piece, and the end
        file.write(size.to_bytes(client.SIZE_BYTES, "big") + entry.tobuf())
        file.truncate(client.SIZE_BYTES + size + client.SIZE_BYTES)
    (tmp_path / "context").mkdir()
    tracemalloc.start()
    try:
        with sent.open("rb") as chunks:
            receive(chunks, tmp_path / "context.tar", tmp_path / "context")
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    assert (tmp_path / "context/zeros").stat().st_size == entry.size
