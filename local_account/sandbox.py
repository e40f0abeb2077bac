"""How a container's process runs without a container engine.

Where bubblewrap works, the process sees its own `/opt/ml`, `/opt/program`, `/tmp`, the system's
libraries and its Python environment, and nothing else of this machine. Where it does not
(macOS, or no right to make namespaces), it is a plain process that finds its folders by
`SAGEMAKER_BASE_DIR` and `PYTHONPATH`: no isolation of files and no network isolation.
"""

import fcntl
import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from local_account.contained import Isolation, Process, leader
from local_account.limits import Limits, Watch

OPT_ML, OPT_PROGRAM = "/opt/ml", "/opt/program"
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf"),  # not the private keys beside them
)
_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
_OPEN_PORT, _OPEN_PORT_INSIDE = Path(__file__).with_name("open_port.py"), "/run/open_port.py"
_FIRST_FREE_DESCRIPTOR = 10  # a shell's redirections use those below


@dataclass(frozen=True)
class Command:
    """What a container runs: its arguments, folders, environment, and where its output goes."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    virtual_environment: Path
    program: Path
    """The folder that is `/opt/program`, and the working directory."""
    base: Path
    """The folder that is `/opt/ml`."""
    log: Path
    network: bool = True
    read_only: tuple[str, ...] = ()
    """Folders below `/opt/ml` that the container cannot write."""
    port: int = 0
    """Where a container without a network listens, for `Process.connect`."""

    def with_environment(self, more: Mapping[str, str]) -> "Command":
        """Return the command with more in its environment."""
        return replace(self, environment={**self.environment, **more})

    @property
    def scratch(self) -> Path:
        """Return the folder for what is temporary, on disk rather than in memory."""
        return self.log.with_suffix(".scratch")


class Sandbox:
    """Starts containers, in the best isolation that this machine allows.

    Attributes
    ----------
    isolation : "bwrap" or "process"
        How containers are kept apart from this machine.
    """

    def __init__(self, isolation: Isolation | None = None, limits: Limits | None = None) -> None:
        self.isolation: Isolation = isolation or ("bwrap" if bubblewrap_works() else "process")
        self._limits = limits or Limits()

    def start(self, command: Command) -> Process:
        """Start a container; its standard output and error are appended to its log file."""
        command.log.parent.mkdir(parents=True, exist_ok=True)
        for name in ("tmp", "shm"):
            (command.scratch / name).mkdir(parents=True, exist_ok=True)
        ours, theirs = _channel() if self._hands_out(command) else (None, None)
        with command.log.open("ab") as log:
            popen = subprocess.Popen(
                [*leader(self.isolation, self._limits), *self._argv(command, theirs)],
                cwd=command.program,
                env=self._environment(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if theirs is None else (theirs.fileno(),),
            )
        if theirs is not None:
            theirs.close()
        process = Process(popen, self.isolation, ours)
        watch = Watch(self._limits, popen.pid, command.log, [command.base, command.scratch])
        threading.Thread(target=process.watch, args=(watch,), daemon=True).start()
        return process

    def _hands_out(self, command: Command) -> bool:
        return bool(command.port) and not command.network and self.isolation == "bwrap"

    def _environment(self, command: Command) -> dict[str, str]:
        return {
            "HOME": "/tmp",  # noqa: S108 - the container's own
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **({} if self.isolation == "bwrap" else _plain_environment(command)),
            **command.environment,
            "PATH": f"{command.virtual_environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        }

    def _argv(self, command: Command, channel: socket.socket | None) -> list[str]:
        if self.isolation == "process":
            return _plain_argv(command)
        argv = isolated(command.network, command.scratch)
        for path in python_folders(command.virtual_environment):
            argv += ["--ro-bind", path, path]
        argv += ["--bind", str(command.base), OPT_ML]
        argv += ["--ro-bind", str(command.program), OPT_PROGRAM]
        for folder in command.read_only:
            argv += ["--ro-bind", str(command.base / folder), f"{OPT_ML}/{folder}"]
        opening: list[str] = []
        if channel is not None:
            python = str(command.virtual_environment / "bin" / "python")
            argv += ["--ro-bind", str(_OPEN_PORT), _OPEN_PORT_INSIDE]
            opening = [python, "-IS", _OPEN_PORT_INSIDE, str(channel.fileno()), str(command.port)]
        argv += ["--remount-ro", "/", "--chdir", OPT_PROGRAM]
        return [*argv, "--", *opening, *command.arguments]


@cache
def _bubblewrap() -> str:
    return shutil.which("bwrap") or ""


@cache
def bubblewrap_works() -> bool:
    """Tell whether this machine can isolate a process."""
    if not _bubblewrap():
        return False
    probe = [*isolated(network=False), "--remount-ro", "/", "--", "/bin/true"]
    return subprocess.run(probe, capture_output=True).returncode == 0


def isolated(network: bool, scratch: Path | None = None) -> list[str]:
    """Return bubblewrap's arguments for a process that sees the system's libraries only."""
    argv = [_bubblewrap(), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    argv += ["--share-net"] if network else []
    for path in (*_SYSTEM, *(_NETWORK if network else ())):
        argv += ["--ro-bind-try", path, path]
    for name, inside in (("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108 - private ones
        argv += ["--bind", str(scratch / name), inside] if scratch else ["--tmpfs", inside]
    # real root may write to /proc/sys without any capability
    return [*argv, "--remount-ro", "/proc", "--remount-ro", "/dev"]


def python_folders(virtual_environment: Path) -> list[str]:
    """Return the virtual environment and the installation that its interpreter belongs to."""
    python = virtual_environment / "bin" / "python"
    lines = (virtual_environment / "pyvenv.cfg").read_text().splitlines()
    home = next(line.partition("=")[2].strip() for line in lines if line.startswith("home"))
    folders = [virtual_environment.absolute(), Path(home).parent, python.resolve().parent.parent]
    return [str(folder) for folder in dict.fromkeys(folders) if folder not in (Path("/"),)]


def _channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a socket, the second for a process that a shell starts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_DESCRIPTOR)
    return ours, socket.socket(fileno=number)


def _plain_argv(command: Command) -> list[str]:
    """Return the arguments with the container's folders replaced by the real ones."""
    folders = {OPT_ML: command.base, OPT_PROGRAM: command.program}
    argv = list(command.arguments)
    for folder, real in folders.items():
        argv = [f"{real}{arg[len(folder) :]}" if arg.startswith(folder) else arg for arg in argv]
    return argv


def _plain_environment(command: Command) -> dict[str, str]:
    base = str(command.base)
    return {"SAGEMAKER_BASE_DIR": base, "PYTHONPATH": str(command.program), "HOME": base}
