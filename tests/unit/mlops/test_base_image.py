"""A tag is resolved to its digest by a registry's own protocol; the lock has it in one line."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from mlops.base_image import LOCK, pin, write_lock
from mlops.cli import app
from mlops.errors import RegistryError, RequestError
from mlops.registry import parse_reference

DIGEST = "sha256:" + "ab" * 32
INDEX = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
TOKEN = "for-strangers"


class Registry(ThreadingHTTPServer):
    """A registry with python:3.12-slim, which asks for a token first; `lies` about its digest."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.lies = self.asks_for_password = False
        self.asked: list[str] = []


class _Answers(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        url = urlsplit(self.path)
        if url.path == "/token":
            assert parse_qs(url.query)["scope"] == ["repository:library/python:pull"]
            self._answer(200, json.dumps({"token": TOKEN}).encode())
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._challenge()
        elif url.path == "/v2/library/python/manifests/3.12-slim":
            assert INDEX_TYPE in self.headers["Accept"], "a digest of all platforms"
            digest = DIGEST if self.server.lies else f"sha256:{hashlib.sha256(INDEX).hexdigest()}"
            self._answer(200, INDEX, {"Docker-Content-Digest": digest})
        else:
            self._answer(404, b"{}")

    def _challenge(self) -> None:
        realm, scope = f"http://{self.server.host}/token", "repository:library/python:pull"
        bearer = f'Bearer realm="{realm}",service="registry",scope="{scope}"'
        basic = 'Basic realm="private"'
        told = basic if self.server.asks_for_password else bearer
        self._answer(401, b"{}", {"WWW-Authenticate": told})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_tag_is_resolved_to_the_digest_of_what_the_registry_sends(registry: Registry) -> None:
    name = f"{registry.host}/library/python:3.12-slim"
    assert pin(name) == f"{name}@sha256:{hashlib.sha256(INDEX).hexdigest()}"
    assert [each.partition("?")[0] for each in registry.asked] == [
        "/v2/library/python/manifests/3.12-slim",
        "/token",
        "/v2/library/python/manifests/3.12-slim",
    ]


def test_a_digest_is_written_as_it_is_and_nobody_is_asked(registry: Registry) -> None:
    for name in (f"{registry.host}/library/python:3.12-slim@{DIGEST}", f"python@{DIGEST}"):
        assert pin(name) == name
    assert registry.asked == []


def test_a_registry_that_contradicts_itself_is_refused(registry: Registry) -> None:
    registry.lies = True
    with pytest.raises(RegistryError, match=f"says that it is {DIGEST}, and what it sent is"):
        pin(f"{registry.host}/library/python:3.12-slim")


def test_an_image_that_is_not_there_and_one_for_nobody_are_told(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"python:9: 127.0.0.1:\d+ does not have it \(HTTP 404"):
        pin(f"{registry.host}/library/python:9")
    registry.asks_for_password = True
    with pytest.raises(RegistryError, match="expected Bearer, which strangers may have"):
        pin(f"{registry.host}/library/python:3.12-slim")


def test_without_the_network_it_is_one_line(registry: Registry) -> None:
    host = registry.host
    registry.shutdown()
    registry.server_close()
    with pytest.raises(RegistryError, match=f"^{host} cannot be reached: .*refused.*its digest"):
        pin(f"{host}/library/python:3.12-slim")


@pytest.mark.parametrize(
    ("name", "repository", "tag", "written"),
    [
        ("python", "library/python", "latest", "python:latest"),
        ("python:3.12-slim", "library/python", "3.12-slim", "python:3.12-slim"),
        ("owner/name", "owner/name", "latest", "owner/name:latest"),
        ("localhost:5000/a/b:1", "a/b", "1", "localhost:5000/a/b:1"),
        ("registry.example/a:1", "a", "1", "registry.example/a:1"),
    ],
)
def test_names_are_read_as_docker_reads_them(
    name: str, repository: str, tag: str, written: str
) -> None:
    reference = parse_reference(name)
    assert (reference.repository, reference.tag) == (repository, tag)
    assert reference.written == written


def test_only_a_registry_on_this_machine_is_asked_without_tls() -> None:
    schemes = {
        name: parse_reference(name).base_url.partition(":")[0]
        for name in ("localhost:5000/a", "127.0.0.1/a", "registry.example/a", "python")
    }
    assert list(schemes.values()) == ["http", "http", "https", "https"]
    assert parse_reference("python").host == parse_reference("docker.io/library/python").host


@pytest.mark.parametrize(
    "name", ["", "Python", "python:", "python:a b", "python@sha256:abc", "a//b", "../python"]
)
def test_what_is_no_image_s_name_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="expected an image as in `docker pull`"):
        parse_reference(name)


def test_the_lock_keeps_its_comments_and_has_one_line(tmp_path: Path) -> None:
    file = tmp_path / "base-image.lock"
    assert write_lock(file, f"python@{DIGEST}")
    file.write_text(f"# why\npython:3.11@{DIGEST}\n")
    assert write_lock(file, f"python:3.12@{DIGEST}")
    assert file.read_text() == f"# why\npython:3.12@{DIGEST}\n"
    assert not write_lock(file, f"python:3.12@{DIGEST}")


def test_the_command_writes_the_lock_and_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlops.toml").write_text('[project]\nname = "example"\n')
    (tmp_path / "model_code").mkdir()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["base-image", f"python:3.12-slim@{DIGEST}", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["changed"] is True
    assert "is committed to the repository" in done.stderr
    assert (tmp_path / LOCK).read_text() == f"python:3.12-slim@{DIGEST}\n"
