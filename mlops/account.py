"""The embedded account as a process: start it, find it, stop it.

The process holds a lock on its folder for as long as it lives: the lock's file descriptor is
handed to it, so no process id has to be trusted to know whether the account runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from mlops.errors import AccountError
from mlops.git import git_variables
from mlops.polling import looks

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.project import Project

UNSET_VARIABLES = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3")
START_SECONDS = 60.0
STOP_SECONDS = 15.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class RunningAccount:
    """An account that answers, and what its clients need."""

    url: str
    account_id: str
    region: str
    access_key_id: str
    secret_access_key: str
    pid: int

    def variables(self) -> dict[str, str]:
        """Return the environment with which any AWS tool, and git, talks to this account."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            # TestState would be asked of a host "sync-127.0.0.1"
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            **git_variables(self.url, os.environ),
        }

    def use(self) -> None:
        """Make this process, and those it starts, talk to this account."""
        for name in UNSET_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(self.variables())

    def shell_lines(self) -> list[str]:
        """Return lines for `eval` in a POSIX shell."""
        exports = [f"export {name}={shlex.quote(v)}" for name, v in self.variables().items()]
        return [*exports, f"unset {' '.join(UNSET_VARIABLES)}"]


@dataclass(frozen=True)
class AccountFolder:
    """Where the account of a project keeps its state, log and lock."""

    project: Project
    started: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)
    """Accounts that this very process started, and so has to reap."""

    @property
    def state(self) -> Path:
        """Folder that belongs to the running account alone; it is emptied at each start."""
        return self.project.home / "account"

    @property
    def log(self) -> Path:
        """File that takes what the account prints."""
        return self.project.home / "account.log"

    @property
    def lock(self) -> Path:
        """File that the account holds locked while it lives."""
        return self.project.home / "account.lock"

    def running(self) -> RunningAccount | None:
        """Return the account of this folder, or None where none runs."""
        return self._contact() if self.locked() else None

    def locked(self) -> bool:
        """Tell whether an account holds this folder: while it starts, runs and stops."""
        if not self.lock.exists():
            return False
        with self.lock.open("a") as file:
            return not _try_lock(file)

    def require_running(self) -> RunningAccount:
        """Return the account of this folder.

        Raises
        ------
        AccountError
            If none runs.
        """
        account = self.running()
        if account is None:
            raise AccountError(
                f"no embedded account runs in {self.project.home}. "
                "Start it: `.venv/bin/mlops account start`."
            )
        return account

    def require_none(self) -> None:
        """Refuse to go on where an account runs already.

        Raises
        ------
        AccountError
            If the lock is held.
        """
        self._locked().close()

    def start(self, port: int = 0) -> RunningAccount:
        """Start an account in the background and return when it is ready.

        Raises
        ------
        AccountError
            If one runs already, or the new one ends before it is ready.
        """
        with self._locked() as lock, self.log.open("w") as log:
            process = subprocess.Popen(
                self._command(port),
                cwd=self.project.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        self.started.append(process)
        try:
            return self._wait_until_ready(process)
        except BaseException:
            process.terminate()
            process.wait()
            raise

    def become_account(self, port: int = 0) -> None:
        """Replace this process by the account, so that Ctrl-C and signals reach it directly."""
        lock = self._locked()
        self.log.unlink(missing_ok=True)
        os.set_inheritable(lock.fileno(), True)
        os.chdir(self.project.root)
        command = self._command(port)
        os.execv(command[0], command)  # noqa: S606

    def stop(self) -> RunningAccount | None:
        """End the account; returns when it and all it started are gone.

        Returns
        -------
        RunningAccount | None
            The account that was ended, None where none ran.
        """
        account = self.running()
        if account is not None:
            self._end(account)
        for process in self.started:
            process.wait()
        return account

    def left_behind(self) -> bool:
        """Tell whether an account ended here without cleaning up, so its state is lost."""
        return (self.state / "account.json").exists() and not self.locked()

    def _end(self, account: RunningAccount) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(account.pid, number)
            except ProcessLookupError:
                return
            if any(not self.locked() for _ in looks(STOP_SECONDS, every=_PAUSE_SECONDS)):
                return
        raise AccountError(f"process {account.pid} does not end; see {self.log}.")

    def _command(self, port: int) -> list[str]:
        root = self.project.root
        return [
            sys.executable,
            "-m",
            "local_account",
            f"--port={port}",
            f"--state={self.state}",
            f"--lambda-python={root / '.venv-lambda' / 'bin' / 'python'}",
            f"--lambda-native-packages={root / '.cache' / 'lambda-native'}",
            f"--cache={root / '.cache' / 'builds'}",
        ]

    def _locked(self) -> IO[str]:
        self.project.home.mkdir(parents=True, exist_ok=True)
        file = self.lock.open("a")
        if not _try_lock(file):
            file.close()
            raise AccountError(
                f"an embedded account runs in {self.project.home} already. Use it, stop it with "
                "`.venv/bin/mlops account stop`, or set MLOPS_HOME to another folder."
            )
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(mode=0o700)
        return file

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> RunningAccount:
        for _ in looks(START_SECONDS, every=_PAUSE_SECONDS):
            contact = self._contact()
            if contact and contact.pid == process.pid:
                return contact
            if process.poll() is not None:
                raise AccountError(
                    f"the embedded account ended with {process.returncode}: {self._last_line()}. "
                    f"See {self.log}."
                )
        raise AccountError(
            f"the embedded account is not ready in {START_SECONDS:.0f} s: {self.log}"
        )

    def _contact(self) -> RunningAccount | None:
        try:
            document: dict[str, Any] = json.loads((self.state / "account.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return RunningAccount(**{name: document[name] for name in RunningAccount.__annotations__})

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
