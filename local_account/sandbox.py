"""How a container's process runs without a container engine.

Where bubblewrap works, the process sees its own `/opt/ml` and `/opt/program`, the system's
libraries and its Python environment, and nothing else of this machine. Where it does not
(macOS, or no right to make namespaces), it is a plain process that finds its folders by
`SAGEMAKER_BASE_DIR` and `PYTHONPATH`: no isolation of files and no network isolation.

Whichever it is, the process leads a group of its own, and a watcher in that group reads a
pipe that the account holds: when the account dies, even by SIGKILL, the group is killed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Isolation = Literal["bwrap", "process"]

OPT_ML, OPT_PROGRAM = "/opt/ml", "/opt/program"
# run "$@"; when the pipe on standard input ends, kill the group, `kill -9 0`
WATCHED = 'exec 3<&0 </dev/null; (read -r _ <&3; kill -9 0) & exec "$@" 3<&-'
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ssl", "/etc/ld.so.cache")
_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")


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

    def with_environment(self, more: Mapping[str, str]) -> "Command":
        """Return the command with more in its environment."""
        return replace(self, environment={**self.environment, **more})


class Process:
    """A running container: its first process and everything that it started."""

    def __init__(self, popen: "subprocess.Popen[bytes]", isolation: Isolation) -> None:
        self.pid = popen.pid
        self._popen, self._isolation = popen, isolation

    def wait(self, seconds: float) -> int | None:
        """Return the exit status (128 + N for signal N), or None if it is still running."""
        try:
            status = self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.kill()
        return status if status >= 0 else 128 - status

    @property
    def running(self) -> bool:
        """Whether the first process still runs."""
        return self._popen.poll() is None

    def stop(self, grace_seconds: float) -> int:
        """Ask the first process to end (SIGTERM), kill the rest after the grace; its status."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it ended just now
            if self.running:
                os.kill(self._first_process(), signal.SIGTERM)
        status = self.wait(grace_seconds)
        self.kill()
        return 128 + signal.SIGKILL if status is None else status

    def kill(self) -> None:
        """Kill the whole group; once its leader is gone, the watcher does it."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def _first_process(self) -> int:
        """Return process 1 of the sandbox: bwrap itself would pass no signal on."""
        if self._isolation == "process":
            return self.pid
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for child in children:
            if f"NSpid:\t{child}\t1\n" in Path(f"/proc/{child}/status").read_text():
                return int(child)
        return self.pid


class Sandbox:
    """Starts containers, in the best isolation that this machine allows.

    Attributes
    ----------
    isolation : "bwrap" or "process"
        How containers are kept apart from this machine.
    """

    def __init__(self, isolation: Isolation | None = None) -> None:
        self._bwrap = shutil.which("bwrap") or ""
        self.isolation: Isolation = isolation or ("bwrap" if self._works() else "process")

    def start(self, command: Command) -> Process:
        """Start a container; its standard output and error are appended to its log file."""
        argv = self._bwrap_argv(command) if self.isolation == "bwrap" else _plain_argv(command)
        environment = {
            "HOME": "/tmp",  # noqa: S108 - the container's own
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **({} if self.isolation == "bwrap" else _plain_environment(command)),
            **command.environment,
            "PATH": f"{command.virtual_environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        }
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            popen = subprocess.Popen(
                ["/bin/sh", "-c", WATCHED, "container", *argv],
                cwd=command.program,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Process(popen, self.isolation)

    def _works(self) -> bool:
        probe = [*self._isolated(network=False), "--", "/bin/true"]
        return bool(self._bwrap) and subprocess.run(probe, capture_output=True).returncode == 0

    def _isolated(self, network: bool) -> list[str]:
        argv = [self._bwrap, "--unshare-all", "--as-pid-1", "--proc", "/proc", "--dev", "/dev"]
        argv += ["--tmpfs", "/tmp"]  # noqa: S108 - a private one
        for path in (*_SYSTEM, *(_NETWORK if network else ())):
            argv += ["--ro-bind-try", path, path]
        return [*argv, "--share-net"] if network else argv

    def _bwrap_argv(self, command: Command) -> list[str]:
        argv = self._isolated(command.network)
        for path in _python_folders(command.virtual_environment):
            argv += ["--ro-bind", path, path]
        argv += ["--bind", str(command.base), OPT_ML]
        argv += ["--ro-bind", str(command.program), OPT_PROGRAM]
        for folder in command.read_only:
            argv += ["--ro-bind", str(command.base / folder), f"{OPT_ML}/{folder}"]
        return [*argv, "--chdir", OPT_PROGRAM, "--", *command.arguments]


def _python_folders(virtual_environment: Path) -> list[str]:
    """Return the virtual environment and the installation that its interpreter belongs to."""
    python = virtual_environment / "bin" / "python"
    lines = (virtual_environment / "pyvenv.cfg").read_text().splitlines()
    home = next(line.partition("=")[2].strip() for line in lines if line.startswith("home"))
    folders = [virtual_environment.absolute(), Path(home).parent, python.resolve().parent.parent]
    return [str(folder) for folder in dict.fromkeys(folders) if folder not in (Path("/"),)]


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
