"""Programs that a command starts end with it, and their failures are told in one line."""

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from mlops.cdk import Cdk
from mlops.errors import ToolError
from mlops.node import tool_environment
from mlops.processes import Processes

SLEEP = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
)


def _python(processes: Processes, program: str) -> str:
    return processes.run([sys.executable, "-c", program], cwd=Path(), env=os.environ)


def test_output_is_returned() -> None:
    with Processes() as processes:
        assert _python(processes, "print('done')") == "done\n"


def test_a_failure_tells_the_last_lines() -> None:
    with Processes() as processes, pytest.raises(ToolError, match="ended with 3: one | two"):
        _python(
            processes, "import sys; print('one', 'two', sep='\\n', file=sys.stderr); sys.exit(3)"
        )


def _is_gone(group: int) -> bool:
    """Tell whether a process group ends: its last process may take a moment to be reaped."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_nothing_outlives_the_block_and_nothing_starts_after_it() -> None:
    failed: list[ToolError] = []

    def work() -> None:
        try:
            _python(processes, SLEEP)
        except ToolError as error:
            failed.append(error)

    processes = Processes()
    thread = threading.Thread(target=work)
    with processes:
        thread.start()
        while not processes.running:
            time.sleep(0.01)
        group = processes.running[0].pid
    thread.join(10)
    assert failed
    assert _is_gone(group)
    with pytest.raises(ToolError, match="is not started"):
        _python(processes, "print()")


LEAVING = """
import pathlib, tempfile, time
pathlib.Path(tempfile.mkdtemp(), "lib").mkdir()
pathlib.Path("left").write_text(tempfile.gettempdir())
time.sleep(60)
"""


def test_what_an_interrupted_cdk_leaves_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, left = tmp_path / "tmp", tmp_path / "left"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    # whoever started the tests in the background may have had the signal ignored
    former = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        while not left.exists() or not left.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), Processes() as processes:
        Cdk(tmp_path, "dev").run(processes, [sys.executable, "-c", LEAVING])
    signal.signal(signal.SIGINT, former)
    assert Path(left.read_text()).parent == scratch
    assert list(scratch.iterdir()) == []


def test_long_lines_are_cut_and_a_failure_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "import sys; print('x' * 101); print('short'); sys.exit(2)"
    with pytest.raises(ToolError, match="ended with 2"):
        Cdk(tmp_path, "dev").show([sys.executable, "-c", program], longest_line=100)
    assert capsys.readouterr().out == f"{'x' * 60} … 101 characters\nshort\n"


def test_tools_find_this_environment_first() -> None:
    environment = tool_environment()
    assert environment["PATH"].startswith(str(Path(sys.executable).parent))
    assert environment["CDK_DISABLE_CLI_TELEMETRY"] == "true"
