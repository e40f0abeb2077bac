"""Where rows come from; nothing here leaves the machine."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import data
from data import fetch as fetch_function
from data.synthesize import synthesize

# Nothing listens on port 9 of the loopback address.
NO_NETWORK = "http://127.0.0.1:9/abalone.data"


@pytest.fixture(autouse=True)
def no_named_copy(monkeypatch: pytest.MonkeyPatch) -> str | None:
    named = os.environ.get("ABALONE_DATA")
    monkeypatch.delenv("ABALONE_DATA", raising=False)
    return named


@pytest.fixture
def published(no_named_copy: str | None) -> Path:
    if not no_named_copy:
        pytest.skip("$ABALONE_DATA names no copy of the published data")
    return Path(no_named_copy)


@pytest.fixture
def web_server() -> Iterator[tuple[str, list[bytes]]]:
    """A server and the answers that it gives, one per request."""
    answers: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.pop(0))

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/abalone.data", answers
        server.shutdown()
        thread.join()


def test_without_network_the_stand_in_says_that_it_is_one(tmp_path: Path) -> None:
    source = fetch_function(tmp_path, NO_NETWORK)
    assert source.origin == "synthetic"
    assert source.is_synthetic
    assert source.content == synthesize()
    assert source.note.startswith("SYNTHETIC STAND-IN, not the real data")
    assert "\n" not in source.note
    assert not list(tmp_path.rglob("*.data"))


def test_an_answer_that_is_not_the_data_is_not_used_and_not_kept(
    tmp_path: Path, web_server: tuple[str, list[bytes]]
) -> None:
    url, answers = web_server
    answers.append(b"<html>please log in</html>")
    source = fetch_function(tmp_path, url)
    assert source.is_synthetic
    assert "the answer has sha256" in source.note
    assert not list(tmp_path.rglob("*.data"))


def test_a_download_is_verified_and_kept(
    tmp_path: Path, published: Path, web_server: tuple[str, list[bytes]]
) -> None:
    url, answers = web_server
    answers.append(published.read_bytes())
    assert fetch_function(tmp_path, url).origin == "download"
    again = fetch_function(tmp_path, NO_NETWORK)
    assert (again.origin, again.content) == ("cache", published.read_bytes())


def test_a_damaged_cache_is_not_used(tmp_path: Path, published: Path) -> None:
    cached = tmp_path / "data/abalone.data"
    cached.parent.mkdir()
    cached.write_bytes(published.read_bytes()[:-10])
    assert fetch_function(tmp_path, NO_NETWORK).is_synthetic


def test_the_cache_lies_in_the_named_home(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/abalone.data").write_bytes(published.read_bytes())
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    assert fetch_function(url=NO_NETWORK).origin == "cache"


def test_a_named_copy_is_used_before_everything_else(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABALONE_DATA", str(published))
    source = fetch_function(tmp_path, NO_NETWORK)
    assert (source.origin, source.content) == ("local", published.read_bytes())


@pytest.mark.parametrize("content", [None, b"M,0.455"])
def test_a_named_copy_that_is_not_the_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    named = tmp_path / "copy.data"
    if content is not None:
        named.write_bytes(content)
    monkeypatch.setenv("ABALONE_DATA", str(named))
    with pytest.raises(data.SourceError, match=r"\$ABALONE_DATA names .*copy\.data"):
        fetch_function(tmp_path, NO_NETWORK)
