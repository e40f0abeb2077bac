"""The git remote of CodeCommit's repositories: `git http-backend`, for whom the guard lets in."""

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple, Protocol

from local_account.authorization.documents import Access
from local_account.authorization.principals import Principal
from local_account.operations import Environ
from local_account.service import Account, ServiceError
from local_account.services.codecommit import CodeCommit
from local_account.services.codecommit.bodies import PIECE, pieces, pushed
from local_account.services.codecommit.git import environment
from local_account.services.codecommit.plane import Repository

StartResponse = Callable[..., Any]

PREFIX = "/v1/repos/"
_PUSH = "git-receive-pack"
_ASKED = re.compile(
    rf"{PREFIX}(?P<name>[\w.-]+)/(?:(?P<refs>info/refs)|(?P<service>git-(?:upload|receive)-pack))",
    re.ASCII,
)
_NO_BACKEND = "git http-backend answered nothing: install the git that has it."
_STATUS_TEXT = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Content Too Large",
}


class Guard(Protocol):
    """Whom the account knows, and what they may do."""

    def admit_git(self, environ: Environ, path: str) -> Principal | None:
        """Return who signed in to a repository, or None where nobody did yet."""

    def require(self, principal: Principal, access: Access) -> None:
        """Refuse what a principal may not do."""


class _Asked(NamedTuple):
    """A request of git's: for the references of a repository, or to fetch or push."""

    name: str
    service: str
    advertised: bool

    @property
    def path(self) -> str:
        """The path of the repository, which is what git signs in to."""
        return f"{PREFIX}{self.name}"

    @property
    def pushes(self) -> bool:
        """Tell whether it is part of a push."""
        return self.service == _PUSH


class _Unauthenticated(Exception):
    """Nobody signed in yet: git does when it is asked to."""


class GitRemote:
    """Serves clones, fetches and pushes."""

    def __init__(self, account: Account, codecommit: CodeCommit) -> None:
        self._account, self._codecommit = account, codecommit
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def answer(
        self, guard: Guard, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request, in plain text where it is refused: git shows that to its user."""
        try:
            return self._answer(guard, environ, start_response)
        except _Unauthenticated:
            challenge = ("WWW-Authenticate", 'Basic realm="CodeCommit"')
            return _told(
                401, "Sign in with `aws codecommit credential-helper`.", start_response, challenge
            )
        except ServiceError as error:
            return _told(error.status, f"{error.code}: {error.message}", start_response)

    def close(self) -> None:
        """Stop whatever is being fetched or pushed."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            _stop(process)

    def _answer(
        self, guard: Guard, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        asked = _asked_of(environ)
        principal = guard.admit_git(environ, asked.path)
        if principal is None:
            raise _Unauthenticated
        action = "codecommit:GitPush" if asked.pushes else "codecommit:GitPull"
        resource = self._account.arn("codecommit", asked.name)
        guard.require(principal, Access(action, resource))
        repository = self._found(asked.name)
        with self._spooled(environ) as body:
            size = body.seek(0, os.SEEK_END)
            body.seek(0)
            variables = self._variables(environ, asked, repository, size)
            if asked.pushes and not asked.advertised:
                references = pushed(body, environ.get("HTTP_CONTENT_ENCODING", ""))
                named = {"codecommit:references": tuple(references)} if references else {}
                guard.require(principal, Access(action, resource, named))
                service = self._codecommit.called_by(principal.arn)
                with service.changing(repository):
                    return _answered(self._collected(variables, body), start_response)
            return self._streamed(variables, body, start_response)

    def _found(self, name: str) -> Repository:
        try:
            return self._codecommit.repository(name)
        except ServiceError as error:
            raise ServiceError(error.code, error.message, 404) from error

    @contextmanager
    def _spooled(self, environ: Environ) -> Iterator[IO[bytes]]:
        """Write the body of a request to disk, up to a limit; git reads it from there."""
        # without a buffer: git reads on from where the file was left
        with tempfile.TemporaryFile(buffering=0, dir=self._account.state) as body:
            for piece in pieces(environ):
                body.write(piece)
            yield body

    def _variables(
        self, environ: Environ, asked: _Asked, repository: Repository, size: int
    ) -> dict[str, str]:
        folder = repository.bare.folder
        end = "info/refs" if asked.advertised else asked.service
        protocol = environ.get("HTTP_GIT_PROTOCOL", "")
        return {
            **environment(folder.parent),
            "CONTENT_LENGTH": str(size),
            "CONTENT_TYPE": environ.get("CONTENT_TYPE", ""),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(folder.parent),
            "GIT_PROTOCOL": protocol if re.fullmatch(r"[\w=:.]{1,100}", protocol) else "",
            "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
            "PATH_INFO": f"/{folder.name}/{end}",
            "QUERY_STRING": f"service={asked.service}" if asked.advertised else "",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "codecommit",
            "REQUEST_METHOD": "GET" if asked.advertised else "POST",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }

    def _start(self, variables: dict[str, str], body: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise ServiceError("ServiceUnavailable", "The account is stopping.", 503)
            command = ["git", "http-backend"]
            process = subprocess.Popen(
                command,
                stdin=body,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=variables,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        _stop(process)
        with self._lock:
            self._running.discard(process)

    def _collected(self, variables: dict[str, str], body: IO[bytes]) -> bytes:
        """Carry out a push to its end, whoever still listens."""
        process = self._start(variables, body)
        try:
            return process.communicate()[0]
        finally:
            self._ended(process)

    def _streamed(
        self, variables: dict[str, str], body: IO[bytes], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer with what git prints, as it comes; it ends with its client."""
        process = self._start(variables, body)
        stdout: Any = process.stdout
        try:
            _begin(_head(stdout), start_response)
        except BaseException:
            self._ended(process)
            raise
        return _Stream(stdout, lambda: self._ended(process))


class _Stream:
    """The pieces of an answer; its end is told even if nobody has asked for the first."""

    def __init__(self, source: Any, end: Callable[[], None]) -> None:
        self._source, self._end = source, end

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._source.read1(PIECE):
            yield piece

    def close(self) -> None:
        """End the program, whether or not it has come to its end."""
        self._end()


def _asked_of(environ: Environ) -> _Asked:
    found = _ASKED.fullmatch(environ["PATH_INFO"])
    if found is None:
        message = f"No repository answers here; expected {PREFIX}NAME as CodeCommit tells it."
        raise ServiceError("RepositoryDoesNotExistException", message, 404)
    advertised, method = found["refs"] is not None, environ["REQUEST_METHOD"]
    query = environ.get("QUERY_STRING", "")
    asked = re.fullmatch(r"service=(git-(?:upload|receive)-pack)", query)
    if method != ("GET" if advertised else "POST") or advertised != bool(asked):
        message = "Only git's smart HTTP protocol is served: a newer git has it."
        raise ServiceError("InvalidRequest", message, 403)
    return _Asked(found["name"], asked[1] if asked else found["service"], advertised)


def _head(source: IO[bytes]) -> list[tuple[str, str]]:
    """Read the headers of what a CGI program answers."""
    headers = []
    while line := source.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    if not headers:
        raise ServiceError("InternalFailure", _NO_BACKEND, 500)
    return headers


def _begin(headers: list[tuple[str, str]], start_response: StartResponse) -> None:
    status = next((value for name, value in headers if name == "Status"), "200 OK")
    start_response(status, [each for each in headers if each[0] != "Status"])


def _answered(output: bytes, start_response: StartResponse) -> Iterable[bytes]:
    head, _, content = output.partition(b"\r\n\r\n")
    headers = [line.decode("latin-1").partition(":") for line in head.splitlines()]
    if not headers:
        raise ServiceError("InternalFailure", _NO_BACKEND, 500)
    told = [(name, value.strip()) for name, _, value in headers]
    _begin([*told, ("Content-Length", str(len(content)))], start_response)
    return [content]


def _told(
    status: int, text: str, start_response: StartResponse, *headers: tuple[str, str]
) -> Iterable[bytes]:
    content = f"{text}\n".encode()
    plain = [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))]
    start_response(f"{status} {_STATUS_TEXT.get(status, 'Error')}", [*plain, *headers])
    return [content]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started, which are its group."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()
