"""How a container's process runs without a container engine.

Where bubblewrap works, the process sees its own `/opt/ml`, `/opt/program`, `/tmp`, the system's
libraries and its Python environment, and nothing else of this machine; one of an image that has a
root file system sees that instead of this machine's libraries. Where bubblewrap does not work
(macOS, or no right to make namespaces), it is a plain process that finds its folders by
`SAGEMAKER_BASE_DIR` and `PYTHONPATH`: no isolation of files and no network isolation.
"""

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from local_account.contained import Isolation, Process, channel, leader
from local_account.environments import base_python
from local_account.limits import Limits, Watch

OPT_ML, OPT_PROGRAM = "/opt/ml", "/opt/program"
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf"),  # not the private keys beside them
)
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts")
"""What a container with a network has of this machine; an image's root must have such files."""
_OPEN_PORT, _OPEN_PORT_INSIDE = Path(__file__).with_name("open_port.py"), "/run/open_port.py"
_HANDS_OUT = socket.SOCK_SEQPACKET  # one connection with each message
_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Command:
    """What a container runs: its arguments, folders, environment, and where its output goes."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    root: Path
    """The image's files: `opt/program` of them, or all if there is no virtual environment."""
    virtual_environment: Path | None
    base: Path
    """The folder that is `/opt/ml`."""
    log: Path
    network: bool = True
    read_only: tuple[str, ...] = ()
    """Folders below `/opt/ml` that the container cannot write."""
    working_directory: str = OPT_PROGRAM
    port: int = 0
    """Where a container without a network listens, for `Process.connect`."""

    def with_environment(self, more: Mapping[str, str]) -> "Command":
        """Return the command with more in its environment."""
        return replace(self, environment={**self.environment, **more})

    @property
    def program(self) -> Path:
        """Return the folder that is `/opt/program`."""
        return self.root / OPT_PROGRAM[1:]

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
        ours, theirs = channel(_HANDS_OUT) if self._hands_out(command) else (None, None)
        with command.log.open("ab") as log:
            popen = subprocess.Popen(
                [*leader(self.isolation, self._limits), *self._argv(command, theirs)],
                cwd=self._working_directory(command),
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

    def _working_directory(self, command: Command) -> str | Path:
        if self.isolation == "bwrap":
            return "/"  # bubblewrap changes to the container's own
        return _plain(command.working_directory, command)

    def _environment(self, command: Command) -> dict[str, str]:
        environment = {
            "HOME": "/tmp",  # noqa: S108 - the container's own
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **({} if self.isolation == "bwrap" else _plain_environment(command)),
            "PATH": _PATH,
            **command.environment,
        }
        if command.virtual_environment is None:
            return environment
        return {**environment, "PATH": f"{command.virtual_environment / 'bin'}:{_PATH}"}

    def _argv(self, command: Command, channel: socket.socket | None) -> list[str]:
        if self.isolation == "process":
            return [_plain(argument, command) for argument in command.arguments]
        argv = _of_an_image(command)
        argv += ["--bind", str(command.base), OPT_ML]
        for folder in command.read_only:
            argv += ["--ro-bind", str(command.base / folder), f"{OPT_ML}/{folder}"]
        opening: list[str] = []
        if channel is not None:
            python = _python_of(command)
            argv += ["--ro-bind", str(_OPEN_PORT), _OPEN_PORT_INSIDE]
            opening = [python, "-IS", _OPEN_PORT_INSIDE, str(channel.fileno()), str(command.port)]
        argv += ["--remount-ro", "/", "--chdir", command.working_directory]
        return [*argv, "--", *opening, *command.arguments]


def _of_an_image(command: Command) -> list[str]:
    """Return bubblewrap's arguments for what comes from the image, and for `/tmp`."""
    if command.virtual_environment is None:
        return isolated(command.network, command.scratch, command.root)
    argv = isolated(command.network, command.scratch)
    for path in python_folders(command.virtual_environment):
        argv += ["--ro-bind", path, path]
    return [*argv, "--ro-bind", str(command.program), OPT_PROGRAM]


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


def isolated(network: bool, scratch: Path | None = None, root: Path | None = None) -> list[str]:
    """Return bubblewrap's arguments for a process that sees the system's libraries only.

    With `root` it sees that folder as its root instead.
    """
    argv = [_bubblewrap(), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    argv += ["--ro-bind", str(root), "/"] if root else []
    argv += ["--proc", "/proc", "--dev", "/dev"]
    argv += ["--share-net"] if network else []
    names = NETWORK_FILES if root else (*NETWORK_FILES, "/etc/nsswitch.conf")
    argv += ["--tmpfs", "/run"] if root else _bound(_SYSTEM)
    argv += _bound(names) if network else []
    for name, inside in (("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108 - private ones
        argv += ["--bind", str(scratch / name), inside] if scratch else ["--tmpfs", inside]
    # real root may write to /proc/sys without any capability
    return [*argv, "--remount-ro", "/proc", "--remount-ro", "/dev"]


def _bound(paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in ("--ro-bind-try", path, path)]


def python_folders(virtual_environment: Path) -> list[str]:
    """Return a virtual environment and the account's Python, which it was made with.

    What the environment itself says of its installation is not read: a package that was installed
    in it may have written that, and would choose what its next container sees of this machine.
    """
    installation = (Path(sys.base_prefix), base_python().parent.parent)
    return _distinct(virtual_environment.absolute(), *installation)


def own_python_folders(virtual_environment: Path) -> list[str]:
    """Return the same for an environment of the user's own, whose Python may be another one."""
    python = virtual_environment / "bin" / "python"
    lines = (virtual_environment / "pyvenv.cfg").read_text().splitlines()
    home = next(line.partition("=")[2].strip() for line in lines if line.startswith("home"))
    return _distinct(
        virtual_environment.absolute(), Path(home).parent, python.resolve().parent.parent
    )


def _distinct(*folders: Path) -> list[str]:
    return [str(folder) for folder in dict.fromkeys(folders) if folder != Path("/")]


def _python_of(command: Command) -> str:
    """Return the Python of a container; an image with its own root has it on its path."""
    environment = command.virtual_environment
    return str(environment / "bin" / "python") if environment else "python3"


def _plain(argument: str, command: Command) -> str:
    """Return an argument with the container's folders replaced by the real ones."""
    for folder, real in ((OPT_ML, command.base), (OPT_PROGRAM, command.program)):
        if argument.startswith(folder):
            argument = f"{real}{argument[len(folder) :]}"
    return argument


def _plain_environment(command: Command) -> dict[str, str]:
    base = str(command.base)
    return {"SAGEMAKER_BASE_DIR": base, "PYTHONPATH": str(command.program), "HOME": base}
