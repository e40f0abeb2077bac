"""A command as a process in a base directory of its own; one readable line if it fails."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model_code.runtime.paths import Paths
from model_code.tests.packages import not_in_model_image

LIMIT_SECONDS = 45
WATCH = Path(__file__).with_name("watch")


@dataclass(frozen=True)
class Job:
    """One base directory, and folders around it that must stay empty."""

    folder: Path
    packages: Path
    _started: list["subprocess.Popen[str]"] = field(default_factory=list, init=False)

    @property
    def paths(self) -> Paths:
        return Paths(self.folder / "ml")

    def prepare(self, version: Path) -> None:
        """Put a data set version where each command looks for its inputs."""
        for name in ("work", "home", "ml/tmp"):
            (self.folder / name).mkdir(parents=True)
        for split in ("train", "validation"):
            shutil.copytree(version / split, self.paths.channel(split))
            shutil.copytree(version / split, self.paths.processing_input(split))
        shutil.copytree(version, self.paths.processing_input("dataset"))

    def start(self, command: str, **more: str) -> "subprocess.Popen[str]":
        """Start a command; it finds no variable of ours but these."""
        kept = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        # evaluate has an image of its own, with more in it
        absent = [] if command == "evaluate" else sorted(not_in_model_image())
        environment = {
            **kept,
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "ml/tmp"),
            "PYTHONPATH": f"{self.packages}{os.pathsep}{WATCH}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SAGEMAKER_BASE_DIR": str(self.paths.base),
            "WRITES_OUTSIDE": str(self._report(command)),
            "ABSENT_PACKAGES": ",".join(absent),
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "model_code", command],
            env=environment,
            cwd=self.folder / "work",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def stop(self) -> None:
        """Kill what still runs; whoever waits for it goes on."""
        for process in self._started:
            if process.poll() is None:
                kill(process)

    def run(self, command: str) -> str | None:
        """Run a command to its end; return what is wrong with how it ended, in one line."""
        process = self.start(command)
        try:
            _, said = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
            process.communicate()
            return (
                f"`{command}` did not end within {LIMIT_SECONDS} s on a few hundred rows; expected "
                "a few seconds. Look for a loop that does not end."
            )
        return self.wrong(command, process.returncode, said)

    def wrong(self, command: str, code: int, said: str) -> str | None:
        """Say in one line what is wrong with how a command ended."""
        outside = self._report(command).read_text().splitlines()
        outside += [
            str(path) for name in ("work", "home") for path in (self.folder / name).iterdir()
        ]
        if outside:
            return (
                f"`{command}` wrote {outside[0]}; expected files below SAGEMAKER_BASE_DIR "
                "(/opt/ml on SageMaker) and no others."
            )
        if code:
            lines = said.strip().splitlines() or ["it said nothing"]
            return f"`{command}` ended with exit code {code}: {lines[-1]}"
        return None

    def _report(self, command: str) -> Path:
        return self.folder / f"{command}-wrote-outside"


def require(problem: str | None) -> None:
    """Fail the test in one line, without a traceback."""
    if problem:
        pytest.fail(problem, pytrace=False)


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill a process and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
