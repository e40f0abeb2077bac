"""The container of a build: its own folders, this machine's programs, and an agent in it.

Where bubblewrap works, the commands see `/codebuild/output`, a `/root` whose `.cache` is their
project's, `/tmp`, the system's programs, the account's Python and `aws`, and the network. Elsewhere
they are plain processes in folders of this machine, which the variables name.
"""

import json
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_account.contained import SYSTEM_PATH, Isolation, Process, channel, leader
from local_account.environments import base_python
from local_account.limits import Limits, Watch
from local_account.pip_settings import pip_folders, pip_settings
from local_account.sandbox import isolated, python_folders
from local_account.services.codebuild.caches import Cache
from local_account.services.codebuild.log import MAX_BYTES

LIMITS = Limits(processes=512, log_bytes=MAX_BYTES)
_AGENT, _AGENT_INSIDE = Path(__file__).with_name("agent.py"), "/run/agent.py"
_SOCKET_INSIDE = "/var/run/docker.sock"
_POLL_SECONDS = 0.2
_MAX_ANSWER = 1024**2


class ContainerGone(Exception):
    """The container ended before its build did; the message says why, in one line."""


@dataclass(frozen=True)
class Folders:
    """The folders of one build on this machine, and as its commands see them."""

    root: Path
    isolation: Isolation

    @property
    def output(self) -> Path:
        """Return what is `/codebuild/output`."""
        return self.root / "output"

    @property
    def readonly(self) -> Path:
        """Return what is `/codebuild/readonly`: the programs, and an inline buildspec."""
        return self.root / "readonly"

    @property
    def home(self) -> Path:
        """Return what is `/root`."""
        return self.root / "home"

    @property
    def scratch(self) -> Path:
        """Return the folder for `/tmp` and `/dev/shm`."""
        return self.root / "scratch"

    def make(self, cache: Cache) -> None:
        """Create the folders; the home has the cache in it."""
        for folder in (self.output / "tmp", self.readonly / "bin", self.home):
            folder.mkdir(parents=True)
        for name in ("tmp", "shm"):
            (self.scratch / name).mkdir(parents=True)
        cache.make(self.isolation)
        own = self.home / ".cache"
        if self.isolation == "process" and cache.folder != own:
            own.symlink_to(cache.folder)

    def inside(self, path: Path) -> str:
        """Return a path as the commands see it."""
        if self.isolation == "process":
            return str(path)
        folders = {self.output: "/codebuild/output", self.readonly: "/codebuild/readonly"}
        for folder, name in {**folders, self.home: "/root"}.items():
            if path.is_relative_to(folder):
                return str(name / path.relative_to(folder))
        raise ValueError(f"{path} is not in the container")

    def outside(self, path: str) -> str:
        """Return a path that a command wrote, where it is in the output, as it is here."""
        inside = self.inside(self.output)
        return f"{self.output}{path.removeprefix(inside)}" if path.startswith(inside) else path

    def remove(self) -> None:
        """Remove what only the commands needed."""
        for folder in (self.output, self.readonly, self.home, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)


def write_programs(folder: Path, docker: Path | None) -> None:
    """Write `python`, `aws` and, where images can be built, `docker`."""
    python = shlex.quote(str(base_python()))
    own = shlex.quote(sys.executable)
    programs = {
        "python": f"exec {python}",
        "python3": f"exec {python}",
        "aws": f"exec {own} -I -m awscli",
    }
    if docker is not None:
        programs["docker"] = f"exec {python} -I {shlex.quote(str(docker))}"
    for name, command in programs.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\n{command} "$@"\n')
        program.chmod(0o755)


@dataclass(frozen=True)
class Workload:
    """What the commands of one build run in."""

    shell: str
    folder: str
    """Where the first command runs, as it sees it."""
    environment: Mapping[str, str]
    cache: Cache
    """What is `$HOME/.cache`."""
    docker: Path | None = None
    """The program that asks for images."""
    docker_socket: Path | None = None


class Container:
    """The running container of one build."""

    def __init__(self, folders: Folders, log: Path, workload: Workload) -> None:
        self._channel, theirs = channel(socket.SOCK_STREAM)
        self._buffer = b""
        argv = _agent(folders, theirs.fileno(), workload)
        if folders.isolation == "bwrap":
            argv = [*_bubblewrapped(folders, workload), "--", *argv]
        with theirs, log.open("ab") as output:
            popen = subprocess.Popen(
                [*leader(folders.isolation, LIMITS), *argv],
                cwd=folders.output if folders.isolation == "process" else "/",
                env=_environment(folders, workload),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self.process = Process(popen, folders.isolation)
        watched = [folders.output, folders.home, folders.scratch]
        watch = Watch(LIMITS, popen.pid, log, watched)
        threading.Thread(target=self.process.watch, args=(watch,), daemon=True).start()

    def run(self, command: str, succeeding: bool, tick: Callable[[], None]) -> int:
        """Run a command and return its exit status; `tick` is called again and again meanwhile.

        Raises
        ------
        ContainerGone
            If the container was killed.
        """
        asked = {"command": command, "succeeding": str(int(succeeding))}
        return int(self._ask(asked, tick)["status"])

    def expand(self, text: str, tick: Callable[[], None]) -> str:
        """Return a text with the values of its variables and substitutions.

        Raises
        ------
        ContainerGone
            If the container was killed.
        """
        return str(self._ask({"text": text}, tick)["text"])

    def kill(self) -> None:
        """Kill whatever runs in the container."""
        self.process.kill()
        self._channel.close()

    def _ask(self, asked: dict[str, Any], tick: Callable[[], None]) -> dict[str, Any]:
        try:
            self._channel.settimeout(None)
            self._channel.sendall(json.dumps(asked).encode() + b"\n")
            while b"\n" not in self._buffer and len(self._buffer) < _MAX_ANSWER:
                self._receive(tick)
            line, _, self._buffer = self._buffer.partition(b"\n")
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            raise self._gone() from error
        return answer

    def _receive(self, tick: Callable[[], None]) -> None:
        self._channel.settimeout(_POLL_SECONDS)
        try:
            received = self._channel.recv(65536)
        except TimeoutError:
            if not self.process.running:  # the shell beside it has the connection open too
                raise ConnectionResetError("the agent was killed") from None
            tick()
            return
        if not received:
            raise ConnectionResetError("the agent has ended")
        self._buffer += received

    def _gone(self) -> ContainerGone:
        status = self.process.wait(2)  # the watch notes the limit before it kills
        if self.process.exceeded:
            return ContainerGone(self.process.exceeded)
        return ContainerGone(f"the build container was killed (exit status {status})")


def _agent(folders: Folders, descriptor: int, workload: Workload) -> list[str]:
    agent = str(_AGENT) if folders.isolation == "process" else _AGENT_INSIDE
    told = (str(descriptor), folders.inside(folders.output / "tmp"), workload.shell)
    return [str(base_python()), "-IS", agent, *told, workload.folder]


def _environment(folders: Folders, workload: Workload) -> dict[str, str]:
    plain, engine = folders.isolation == "process", {}
    if plain and workload.docker_socket:
        engine = {"DOCKER_HOST": f"unix://{workload.docker_socket}"}
    tmp = {"TMPDIR": str(folders.scratch / "tmp")} if plain else {}
    programs = folders.inside(folders.readonly / "bin")
    return {
        "LANG": "C.UTF-8",
        "PATH": f"{programs}:{base_python().parent}:{SYSTEM_PATH}",
        **pip_settings(),
        **tmp,
        **engine,
        **workload.environment,
        "HOME": folders.inside(folders.home),
    }


def _bubblewrapped(folders: Folders, workload: Workload) -> list[str]:
    argv = isolated(network=True, scratch=folders.scratch)
    argv += ["--bind", str(folders.output), "/codebuild/output"]
    argv += ["--ro-bind", str(folders.readonly), "/codebuild/readonly"]
    argv += ["--bind", str(folders.home), "/root"]
    argv += workload.cache.mounts()
    for path in (*python_folders(Path(sys.prefix)), *pip_folders()):
        argv += ["--ro-bind-try", path, path]
    argv += ["--ro-bind", str(_AGENT), _AGENT_INSIDE]
    if workload.docker is not None:
        argv += ["--ro-bind", str(workload.docker), str(workload.docker)]
    if workload.docker_socket is not None:
        argv += ["--bind", str(workload.docker_socket), _SOCKET_INSIDE]
    return [*argv, "--remount-ro", "/", "--chdir", "/codebuild/output"]
