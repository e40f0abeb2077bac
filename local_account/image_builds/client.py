#!/usr/bin/env -S python3 -IS
"""The `docker` of a build: what a buildspec asks of it, it asks of the account's image builds.

It needs nothing but Python's standard library, for it runs inside a build's sandbox. The request
is one line of JSON, then for a build the context as a tar archive in chunks; the answer is the
output as it comes and the exit status. When this program ends, so does the build.
"""

import argparse
import base64
import json
import os
import re
import socket
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn, cast

DEFAULT_HOST = "unix:///var/run/docker.sock"
OUTPUT, ERROR, STATUS = b"O", b"E", b"X"
SIZE_BYTES = 4
_CHUNK_BYTES = 256 * 1024
_BOOLEANS = ("--no-cache", "--pull", "--quiet", "-q", "--load", "--password-stdin", "--provenance")
_PROVENANCE = "a manifest of Docker's schema 2 has no place for it; give --provenance=false"

Request = dict[str, Any]


class Refused(Exception):
    """What was asked cannot be done; the message is for a person."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, command: str) -> None:
        super().__init__(prog=f"docker {command}", allow_abbrev=False, add_help=False)

    def read(self, arguments: list[str]) -> argparse.Namespace:
        """Parse what comes after the command, where a flag's value is joined to it by `=`."""
        joined = [f"{a}=true" if a in _BOOLEANS else a for a in arguments]
        known, unknown = self.parse_known_args(joined)
        if unknown:
            options = sorted(o for action in self._actions for o in action.option_strings)
            raise Refused(f"{self.prog}: {unknown[0]} is none of its options here: {options}")
        return known

    def error(self, message: str) -> NoReturn:
        raise Refused(f"{self.prog}: {message}")


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text} is neither true nor false")
    return text.lower() in ("true", "1")


def _build(arguments: list[str]) -> Request:
    parser = _Parser("build")
    parser.add_argument("path")
    parser.add_argument("-t", "--tag", action="append", default=[])
    parser.add_argument("-f", "--file")
    parser.add_argument("--target", default="")
    parser.add_argument("--build-arg", action="append", default=[])
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--platform", default="")
    parser.add_argument("--output", "-o", default="type=docker", choices=["type=docker"])
    parser.add_argument("--progress", default="plain", choices=["plain", "auto"])
    for name in ("--provenance", "--no-cache", "--pull", "--load"):
        parser.add_argument(name, type=_flag, default=False)
    parser.add_argument("-q", "--quiet", type=_flag, default=False)
    asked = parser.read(arguments)
    for name, why in (("provenance", _PROVENANCE), ("pull", "give --pull=false")):
        if getattr(asked, name):
            raise Refused(f"docker build: --{name} is not done here: {why}")
    context = Path(asked.path)
    if not context.is_dir():
        raise Refused(f"docker build: the context {asked.path} is no folder of this machine")
    file = Path(asked.file) if asked.file else context / "Dockerfile"
    if not file.is_file():
        raise Refused(f"unable to prepare context: {file}: no such Dockerfile")
    return {
        "tags": asked.tag,
        "target": asked.target,
        "arguments": dict(_pairs(asked.build_arg, os.environ.get)),
        "labels": dict(_pairs(asked.label, lambda _: "")),
        "platform": asked.platform,
        "no_cache": asked.no_cache,
        "quiet": asked.quiet,
        "name": file.name,
        "dockerfile": file.read_text(),
        "context": str(context),
    }


def _pairs(words: list[str], default: Callable[[str], str | None]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, equals, value = word.partition("=")
        found = value if equals else default(name)
        if found is not None:
            yield name, found


def _login(arguments: list[str]) -> Request:
    parser = _Parser("login")
    parser.add_argument("registry")
    parser.add_argument("-u", "--username", required=True)
    parser.add_argument("--password-stdin", type=_flag, default=False)
    asked = parser.read(arguments)
    if not asked.password_stdin:
        raise Refused("docker login: give the password by --password-stdin")
    password = sys.stdin.read().strip()
    if not password:
        raise Refused("docker login: the password on standard input is empty")
    auth = base64.b64encode(f"{asked.username}:{password}".encode()).decode()
    return {"registry": _host(asked.registry), "auth": auth}


def _logout(arguments: list[str]) -> Request:
    parser = _Parser("logout")
    parser.add_argument("registry")
    registry = _host(parser.read(arguments).registry)
    _keep(registry, None)
    print(f"Removing login credentials for {registry}")
    return {}


def _push(arguments: list[str]) -> Request:
    parser = _Parser("push")
    parser.add_argument("reference")
    parser.add_argument("-q", "--quiet", type=_flag, default=False)
    asked = parser.read(arguments)
    auth = _kept().get(asked.reference.partition("/")[0], {}).get("auth", "")
    return {"reference": asked.reference, "auth": auth, "quiet": asked.quiet}


def _tag(arguments: list[str]) -> Request:
    parser = _Parser("tag")
    parser.add_argument("source")
    parser.add_argument("target")
    return vars(parser.read(arguments))


def _images(arguments: list[str]) -> Request:
    parser = _Parser("images")
    parser.add_argument("-q", "--quiet", type=_flag, default=False)
    return vars(parser.read(arguments))


def _inspect(arguments: list[str]) -> Request:
    parser = _Parser("inspect")
    parser.add_argument("references", nargs="+")
    parser.add_argument("-f", "--format", default="")
    return vars(parser.read(arguments))


def _nothing(arguments: list[str]) -> Request:
    if arguments:
        raise Refused(f"docker: {arguments[0]} is not known here")
    return {}


_COMMANDS: dict[tuple[str, ...], tuple[str, Callable[[list[str]], Request]]] = {
    ("build",): ("build", _build),
    ("buildx", "build"): ("build", _build),
    ("image", "build"): ("build", _build),
    ("login",): ("login", _login),
    ("logout",): ("logout", _logout),
    ("push",): ("push", _push),
    ("image", "push"): ("push", _push),
    ("tag",): ("tag", _tag),
    ("image", "tag"): ("tag", _tag),
    ("images",): ("images", _images),
    ("image", "ls"): ("images", _images),
    ("inspect",): ("inspect", _inspect),
    ("image", "inspect"): ("inspect", _inspect),
    ("info",): ("info", _nothing),
    ("version",): ("version", _nothing),
    ("--version",): ("version", _nothing),
}


def _read(arguments: list[str]) -> tuple[str, Request]:
    """Return the command that is asked for, and its request."""
    for length in (2, 1):
        if found := _COMMANDS.get(tuple(arguments[:length])):
            return found[0], found[1](arguments[length:])
    known = ", ".join(" ".join(words) for words in _COMMANDS)
    asked = " ".join(arguments[:2]) or "nothing"
    raise Refused(f"docker: the embedded account does not model `{asked}`; it knows {known}")


def _host(registry: str) -> str:
    return re.sub(r"^https?://", "", registry).partition("/")[0]


def _config() -> Path:
    folder = os.environ.get("DOCKER_CONFIG") or Path(os.environ.get("HOME", "/root"), ".docker")
    return Path(folder, "config.json")


def _kept() -> dict[str, dict[str, str]]:
    try:
        auths: dict[str, dict[str, str]] = json.loads(_config().read_text()).get("auths", {})
    except FileNotFoundError:
        return {}
    return auths


def _keep(registry: str, auth: str | None) -> None:
    """Write what a login answered to the file that docker keeps it in."""
    auths = {name: value for name, value in _kept().items() if name != registry}
    if auth is not None:
        auths[registry] = {"auth": auth}
    path = _config()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": auths}, indent=2))


def ignored(text: str) -> Callable[[str], bool]:
    """Return what tells whether a `.dockerignore` leaves a path of the context out."""
    rules = []
    for line in (line.strip() for line in text.splitlines()):
        pattern = os.path.normpath(line.removeprefix("!").strip()).lstrip("/")
        if line and not line.startswith("#") and pattern != ".":
            rules.append((not line.startswith("!"), re.compile(f"{_expression(pattern)}(/.*)?")))

    def is_ignored(path: str) -> bool:
        found = [leaves_out for leaves_out, expression in rules if expression.fullmatch(path)]
        return bool(found) and found[-1]

    return is_ignored


def _expression(pattern: str) -> str:
    """Translate a pattern of Go's filepath.Match, with `**`, to a regular expression."""
    token = re.compile(r"\*\*/|\*\*|\*|\?|\[\^?[^\]]+\]|\\.|.")
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(part) or (part if part[0] in "[\\" and len(part) > 1 else re.escape(part))
        for part in token.findall(pattern)
    )


class _Chunks:
    """A file that a tar archive is written to, sent on in chunks."""

    def __init__(self, connection: IO[bytes]) -> None:
        self._connection, self._held = connection, bytearray()

    def write(self, content: bytes) -> int:
        self._held += content
        if len(self._held) >= _CHUNK_BYTES:
            self._send()
        return len(content)

    def close(self) -> None:
        if self._held:
            self._send()
        self._connection.write(bytes(SIZE_BYTES))
        self._connection.flush()

    def _send(self) -> None:
        self._connection.write(len(self._held).to_bytes(SIZE_BYTES, "big") + bytes(self._held))
        self._held.clear()


def _send_context(folder: Path, name: str, connection: IO[bytes]) -> None:
    own = folder / f"{name}.dockerignore"
    file = own if own.is_file() else folder / ".dockerignore"
    is_ignored = ignored(file.read_text() if file.is_file() else "")
    chunks = _Chunks(connection)
    with tarfile.open(fileobj=chunks, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder).as_posix()
            if not is_ignored(inside) and (path.is_symlink() or path.is_dir() or path.is_file()):
                tar.add(path, inside, recursive=False, filter=_anonymous)
    chunks.close()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _connected() -> socket.socket:
    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(host.removeprefix("unix://"))
    except OSError as error:
        raise Refused(
            f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running? "
            "A build has one only if its project's environment is privileged."
        ) from error
    return connection


def _ask(command: str, request: Request) -> int:
    """Send a request, show its output as it comes, and return its exit status."""
    with _connected() as opened, opened.makefile("rwb") as connection:
        connection.write(json.dumps({"command": command, **request}).encode() + b"\n")
        connection.flush()
        if command == "build":
            context = Path(request["context"])
            _send_context(context, request["name"], cast(IO[bytes], connection))
        while head := connection.read(1 + SIZE_BYTES):
            content = connection.read(int.from_bytes(head[1:], "big"))
            if head[:1] == STATUS:
                return int(content)
            stream = sys.stdout if head[:1] == OUTPUT else sys.stderr
            stream.buffer.write(content)
            stream.flush()
    raise Refused("docker: the daemon ended before it answered")


def main(arguments: list[str]) -> int:
    """Do what docker is asked to do; return its exit status."""
    try:
        command, request = _read(arguments)
        if command == "logout":
            return 0
        status = _ask(command, request)
        if command == "login" and status == 0:
            _keep(request["registry"], request["auth"])
        return status
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
