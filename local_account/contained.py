"""A container as a process of this machine: its end, whoever ends it, and its connections.

Its leader is a shell that has a session of its own and reads a pipe which the account holds:
when the account dies, even by SIGKILL, the pipe ends and the shell kills its group. Under
bubblewrap the container's processes have a PID namespace that ends with the leader, so that
none escapes into another group or session.
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Literal

from local_account.limits import POLL_SECONDS, Limits, Watch, descendants

Isolation = Literal["bwrap", "process"]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the commands of builds find the system's programs on."""

_FIRST_FREE_DESCRIPTOR = 10  # a shell's redirections use those below
_CHANNEL_SECONDS = 5.0
# when the pipe on standard input ends, kill the group
_WATCHED = "exec 3<&0 </dev/null; (read -r _ <&3; kill -9 0) & "


def leader(isolation: Isolation, limits: Limits | None = None) -> list[str]:
    """Return what a container's or function's command line is appended to.

    bubblewrap dies with the thread that started it, so the shell stays to be its parent.
    """
    nice = f"nice -n {limits.niceness} " if limits else ""
    run = {"bwrap": f'{nice}"$@" 3<&-; exit $?', "process": f'exec {nice}"$@" 3<&-'}
    shell = limits.shell if limits else ""
    return ["/bin/sh", "-c", shell + _WATCHED + run[isolation], "container"]


def channel(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a connection, the second for a process that a shell starts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with theirs:
        number = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_DESCRIPTOR)
    return ours, socket.socket(fileno=number)


class Process:
    """A running container: its first process and everything that it started.

    Attributes
    ----------
    exceeded : str
        The limit for which the container was killed, in words.
    """

    def __init__(
        self,
        popen: "subprocess.Popen[bytes]",
        isolation: Isolation,
        channel: socket.socket | None = None,
    ) -> None:
        self.pid, self.exceeded = popen.pid, ""
        self._popen, self._isolation, self._channel = popen, isolation, channel
        self._killing, self._connecting = threading.Lock(), threading.Lock()

    def watch(self, watch: Watch) -> None:
        """Kill the container when it exceeds a limit; ends with the container."""
        while self.running and not self.exceeded:
            time.sleep(POLL_SECONDS)
            if reason := watch.exceeded():
                self.exceeded = reason
                self.kill()

    def wait(self, seconds: float | None) -> int | None:
        """Return the exit status (128 + N for signal N), or None if it is still running.

        None waits for as long as it takes.
        """
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
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            if self.running:
                os.kill(self._first_process(), signal.SIGTERM)
        status = self.wait(grace_seconds)
        self.kill()
        return 128 + signal.SIGKILL if status is None else status

    def kill(self) -> None:
        """Kill the whole group; once its leader is gone, the watcher does it."""
        with self._killing:
            if self.running:
                with contextlib.suppress(ProcessLookupError):  # it ended just now
                    os.killpg(self.pid, signal.SIGKILL)
                self._popen.wait()
            if self._popen.stdin is not None:
                self._popen.stdin.close()
        if self._channel is not None:
            with contextlib.suppress(OSError):  # it was shut down before
                self._channel.shutdown(socket.SHUT_RDWR)  # whoever waits for an answer goes on
            with self._connecting:
                self._channel.close()

    def connect(self, seconds: float) -> socket.socket:
        """Open a connection to the container's port, which times out after so many seconds.

        Raises
        ------
        OSError
            If the container does not listen, or has ended.
        """
        if self._channel is None:
            raise ConnectionRefusedError("the container has no port that is handed out")
        with self._connecting:
            descriptors = _ask(self._channel)
        if not descriptors:
            raise ConnectionRefusedError("nobody listens on the container's port")
        connection = socket.socket(fileno=descriptors[0])
        connection.settimeout(seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _first_process(self) -> int:
        """Return the container's own first process; process 1 is bubblewrap's."""
        if self._isolation == "process":
            return self.pid
        for process in descendants(self.pid):
            with contextlib.suppress(OSError):
                if "\t2\n" in _line(Path(f"/proc/{process}/status").read_text(), "NSpid:"):
                    return process
        raise ProcessLookupError("the container has no first process (any more)")


def _ask(channel: socket.socket) -> list[int]:
    """Return the descriptor of a new connection, as `open_port` answers."""
    channel.settimeout(_CHANNEL_SECONDS)
    try:
        channel.send(b"?")
        return socket.recv_fds(channel, 1, 1, socket.MSG_CMSG_CLOEXEC)[1]
    except TimeoutError as error:
        raise ConnectionRefusedError("the container opens no connection") from error


def _line(text: str, start: str) -> str:
    return next((line for line in text.splitlines(keepends=True) if line.startswith(start)), "")
