"""CodeCommit's git remote: clones, fetches and pushes of the unmodified git, and who may."""

import gzip
import http.client
import io
import os
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_account.limits import GIB, descendants
from local_account.service import ServiceError
from local_account.services.codecommit.bodies import pieces
from tests.account.git_client import Create, GitClient, create, git, tip
from tests.account.sagemaker_fixture import until
from tests.account.signing import send
from tests.conftest import RunningAccount, start_account

__all__ = ["create", "git"]  # fixtures

REFS = "info/refs?service=git-upload-pack"


def test_what_is_pushed_is_cloned_fetched_and_told(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    url = create("told")
    assert url == f"{account.url}/v1/repos/told"
    git.clone(url)
    first = git.commit("first", app__py="one")
    pushed = git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    assert pushed.stderr == ""
    assert tip(account, "told") == first
    assert (git.clone(url, "second") / "app.py").read_text() == "one"

    second = git.commit("second", at="second", app__py="two")
    git.run("push", "--quiet", at="second")
    git.run("fetch", "--quiet", at="clone")
    assert git.run("rev-parse", "origin/main", at="clone").stdout.strip() == second
    told = account.client("codecommit").get_commit(repositoryName="told", commitId=second)["commit"]
    assert (told["message"], told["parents"]) == ("second\n", [first])
    assert (told["author"]["name"], told["author"]["email"]) == ("Ada", "ada@example.com")

    git.run("push", "--quiet", "origin", "HEAD:refs/heads/topic/a", at="second")
    shallow = git.clone(url, "shallow", "--depth", "1", "--branch", "topic/a")
    assert git.run("rev-list", "--count", "HEAD", at="shallow").stdout.strip() == "1"
    assert (shallow / "app.py").read_text() == "two"
    git.run("push", "--quiet", "origin", ":topic/a", at="second")
    listed = account.client("codecommit").list_branches(repositoryName="told")
    assert listed["branches"] == ["main"]


def test_a_push_that_would_lose_commits_is_refused(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    git.clone(create("forward"))
    git.commit("first", app__py="one")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    kept = git.commit("second", app__py="two")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    git.run("reset", "--quiet", "--hard", "HEAD~1", at="clone")
    git.commit("another", app__py="three")

    plain = git.run("push", "origin", "HEAD:main", at="clone", check=False)
    assert "[rejected]" in plain.stderr
    forced = git.run("push", "--force", "origin", "HEAD:main", at="clone", check=False)
    assert "denying non-fast-forward refs/heads/main" in forced.stderr
    deleted = git.run("push", "origin", ":main", at="clone", check=False)
    assert "refusing to delete the current branch" in deleted.stderr
    assert tip(account, "forward") == kept


def test_a_tree_that_would_leave_its_folder_is_refused(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    git.clone(create("leaving"))
    hashed = git.run("hash-object", "-w", "--stdin", at="clone", given="x").stdout.strip()
    listed = f"100644 blob {hashed}\t..\n"
    tree = git.run("mktree", at="clone", given=listed).stdout.strip()
    commit = git.run("commit-tree", "-m", "out", tree, at="clone").stdout.strip()
    refused = git.run("push", "origin", f"{commit}:refs/heads/main", at="clone", check=False)
    assert "hasDotdot" in refused.stderr
    assert account.client("codecommit").list_branches(repositoryName="leaving")["branches"] == []


def test_a_large_push_comes_in_chunks(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    clone = git.clone(create("large"))
    content = os.urandom(12_000_000)
    (clone / "large.bin").write_bytes(content)
    commit = git.commit("large")
    # more than `http.postBuffer` is sent in chunks
    git.run("-c", "http.postBuffer=65536", "push", "--quiet", "origin", "HEAD:main", at="clone")
    assert tip(account, "large") == commit
    again = git.clone(f"{account.url}/v1/repos/large", "again")
    assert (again / "large.bin").read_bytes() == content


def _password(
    account: RunningAccount, path: str, *, seconds: int = 0, secret: str = "", key_id: str = ""
) -> dict[str, str]:
    """Sign in as `aws codecommit credential-helper` does, at another time or for another path."""
    key = Credentials(
        key_id or account.contact["access_key_id"], secret or account.contact["secret_access_key"]
    )
    signer: Any = SigV4Auth(key, "codecommit", "us-east-1")
    request: Any = AWSRequest("GIT", path)
    date = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S")
    request.context["timestamp"] = date
    canonical = f"GIT\n{path}\n\nhost:127.0.0.1\n\nhost\n"
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    user = f"{key.access_key}:{date}Z{signature}".encode()
    return {"Authorization": f"Basic {b64encode(user).decode()}"}


def _get(account: RunningAccount, path: str, end: str = REFS, **headers: str) -> tuple[int, str]:
    host = {"Host": account.url.removeprefix("http://"), **headers}
    return send(account, "GET", f"{path}/{end}", host)


def test_git_is_asked_to_sign_in(account: RunningAccount, create: Create) -> None:
    create("asked")
    connection = http.client.HTTPConnection(account.url.removeprefix("http://"))
    connection.request("GET", f"/v1/repos/asked/{REFS}")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="CodeCommit"')
    answer.close()
    connection.close()


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        ({"seconds": -901}, "has expired"),
        ({"seconds": 901}, "has expired"),
        ({"secret": "a guess"}, "SignatureDoesNotMatch"),  # pragma: allowlist secret
        ({"key_id": "AKIANOBODYKNOWSTHIS0"}, "InvalidClientTokenId"),  # pragma: allowlist secret
        ({"path": "/v1/repos/other"}, "SignatureDoesNotMatch"),
    ],
)
def test_who_is_not_who_they_say_does_not_come_in(
    account: RunningAccount, create: Create, signed: dict[str, Any], why: str
) -> None:
    create("closed")
    path = signed.pop("path", "/v1/repos/closed")
    status, text = _get(account, "/v1/repos/closed", **_password(account, path, **signed))
    assert (status, why in text) == (403, True), text


@pytest.mark.parametrize("foreign", [{"Host": "evil.example"}, {"Origin": "http://127.0.0.1"}])
def test_web_pages_and_other_hosts_do_not_come_in(
    account: RunningAccount, create: Create, foreign: dict[str, str]
) -> None:
    create("foreign")
    signed = _password(account, "/v1/repos/foreign")
    assert _get(account, "/v1/repos/foreign", **signed)[0] == 200
    assert _get(account, "/v1/repos/foreign", **signed, **foreign)[0] == 403


@pytest.mark.parametrize(
    ("path", "end", "status"),
    [
        ("/v1/repos/absent", REFS, 404),
        ("/v1/repos/..", REFS, 404),
        ("/v1/repos/%2e%2e/codecommit", REFS, 404),
        ("/v1/repos/paths/../paths", REFS, 404),
        ("/v1/repos/paths", "HEAD", 404),
        ("/v1/repos/paths", "objects/info/packs", 404),
        ("/v1/repos/paths", "info/refs", 403),  # the protocol of gits before 1.6.6
        ("/v1/repos/paths", "info/refs?service=git-upload-archive", 403),
    ],
)
def test_only_repositories_and_only_smart_http_is_served(
    account: RunningAccount, create: Create, path: str, end: str, status: int
) -> None:
    create("paths")
    assert _get(account, path, end, **_password(account, path))[0] == status


def test_a_request_that_is_packed_is_read(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    git.clone(create("packed"))
    commit = git.commit("first", app__py="one")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    headers = {"Content-Encoding": "gzip", **_headers(account, "packed", "upload")}
    where, body = "/v1/repos/packed/git-upload-pack", gzip.compress(_wanting(commit))
    status, text = send(account, "POST", where, headers, body)
    assert (status, text[:16]) == (200, "0008NAK\nPACK\0\0\0\x02")


def test_an_unreadable_push_is_refused(account: RunningAccount, create: Create) -> None:
    create("unreadable")
    headers = _headers(account, "unreadable", "receive")
    where = "/v1/repos/unreadable/git-receive-pack"
    assert send(account, "POST", where, headers, b"no pack")[0] == 400


def test_a_body_that_is_too_large_is_refused(account: RunningAccount, create: Create) -> None:
    create("too-large")
    with _asking(account, "too-large", "receive", b"0000", more=3 * GIB) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_up_to_the_most(chunked: bool) -> None:
    environ = {"wsgi.input": io.BytesIO(b"1234"), "wsgi.input_terminated": chunked}
    length = {} if chunked else {"CONTENT_LENGTH": "4"}
    assert b"".join(pieces({**environ, **length}, most=4)) == b"1234"
    environ["wsgi.input"] = io.BytesIO(b"1234")
    with pytest.raises(ServiceError, match="over 3 bytes"):
        list(pieces({**environ, **length}, most=3))


def test_a_reference_that_no_api_could_tell_is_refused(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    git.clone(create("named"))
    git.commit("first", app__py="one")
    pushed = git.run("push", "origin", "HEAD:refs/heads/\udcff", at="clone", check=False)
    assert pushed.returncode != 0
    git.run("push", "--quiet", "origin", "HEAD:refs/heads/ünïcode", at="clone")
    listed = account.client("codecommit").list_branches(repositoryName="named")
    assert listed["branches"] == ["ünïcode"]


def test_nothing_is_left_of_a_client_that_hangs_up(
    account: RunningAccount, git: GitClient, create: Create
) -> None:
    clone = git.clone(create("hanging"))
    (clone / "large.bin").write_bytes(os.urandom(20_000_000))
    commit = git.commit("large")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    with _asking(account, "hanging", "upload", _wanting(commit)) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert list(_gits(account))
    until(lambda: None if list(_gits(account)) else True, seconds=10)
    with _asking(account, "hanging", "receive", b"0000", more=1_000_000):
        pass  # it hangs up in the middle of its push
    git.commit("later", app__py="one")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    assert not list(_gits(account))


def _wanting(commit: str) -> bytes:
    """Return what git sends to fetch a commit."""
    wanted = f"want {commit} no-progress\n"
    return f"{len(wanted) + 4:04x}{wanted}00000009done\n".encode()


def _headers(account: RunningAccount, name: str, verb: str) -> dict[str, str]:
    return {
        "Content-Type": f"application/x-git-{verb}-pack-request",
        "Host": account.url.removeprefix("http://"),
        **_password(account, f"/v1/repos/{name}"),
    }


def _asking(
    account: RunningAccount, name: str, verb: str, body: bytes, more: int = 0
) -> socket.socket:
    """Open a connection and ask for a fetch or a push, whose body lacks some bytes."""
    headers = {"Content-Length": str(len(body) + more), **_headers(account, name, verb)}
    told = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    host, port = headers["Host"].split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    request = f"POST /v1/repos/{name}/git-{verb}-pack HTTP/1.1\r\n{told}\r\n"
    connection.sendall(request.encode() + body)
    return connection


def _gits(account: RunningAccount) -> Iterator[int]:
    """Yield the processes of git that the account has."""
    for pid in descendants(account.process.pid):
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"git" in command.read_bytes():
            yield pid


def test_what_a_repository_holds_is_never_run(
    account: RunningAccount, git: GitClient, create: Create, tmp_path: Path
) -> None:
    """Neither hooks, nor a configuration or attributes that were committed."""
    clone, ran = git.clone(create("inert")), tmp_path / "ran"
    (clone / "hooks").mkdir()
    hook = clone / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    git.commit("hooks", **{"config": f"[core]\n\tfsmonitor = touch {ran}\n\thooksPath = hooks\n"})
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    git.clone(f"{account.url}/v1/repos/inert", "again")
    assert not ran.exists()


def test_the_account_ends_while_git_fetches(tmp_path: Path) -> None:
    with start_account(tmp_path) as account:
        made = account.client("codecommit").create_repository(repositoryName="ending")
        git = GitClient(account, tmp_path)
        clone = git.clone(made["repositoryMetadata"]["cloneUrlHttp"])
        (clone / "large.bin").write_bytes(os.urandom(20_000_000))
        commit = git.commit("large")
        git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
        connection = _asking(account, "ending", "upload", _wanting(commit))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        fetching = set(_gits(account))
        assert fetching
        account.process.terminate()
        account.process.wait(30)
        gone = time.monotonic() + 5
        while alive := [pid for pid in fetching if _is_alive(pid)]:
            assert time.monotonic() < gone, alive
            time.sleep(0.05)
        connection.close()


def _is_alive(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")
