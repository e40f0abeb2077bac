"""Whatever ends a command is one line for whoever must act on it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from model_code.__main__ import main
from model_code.runtime.errors import JobInputError
from model_code.runtime.failure import FailureReport, describe, shorten

ROOT = Path(__file__).resolve().parents[3]


def raise_in_report(error: BaseException, file: Path | None, debug: bool = False) -> None:
    with FailureReport(file, debug):
        raise error


def test_an_error_becomes_one_line_in_the_file_and_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        raise_in_report(JobInputError("first\nsecond"), tmp_path / "output/failure")
    assert ended.value.code == 1
    assert (tmp_path / "output/failure").read_text() == "JobInputError: first second"
    assert capsys.readouterr().err == "JobInputError: first second\n"


def test_an_unforeseen_error_names_its_line_of_code() -> None:
    try:
        int("x")
    except ValueError as error:
        line = describe(error)
    assert line.startswith("AlgorithmError: ValueError: invalid literal")
    assert re.search(r" \(test_failure\.py line \d+\)$", line)


def test_a_syntax_error_in_the_model_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ny = = 2\n")
    try:
        compile((tmp_path / "broken.py").read_text(), str(tmp_path / "broken.py"), "exec")
    except SyntaxError as error:
        assert describe(error).endswith("(broken.py line 2)")


def test_a_full_disk_is_for_the_platform() -> None:
    line = describe(OSError(28, "No space left on device", "/opt/ml/model/model.ubj"))
    assert line.startswith("PlatformError: [Errno 28] No space left on device")


def test_a_failure_file_that_cannot_be_written_leaves_the_line_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_text("a file where a folder should be")
    with pytest.raises(SystemExit):
        raise_in_report(JobInputError("cause"), tmp_path / "output/failure")
    assert capsys.readouterr().err == "JobInputError: cause\n"


def test_the_end_of_a_process_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        raise_in_report(SystemExit(143), tmp_path / "failure")
    assert ended.value.code == 143
    assert not (tmp_path / "failure").exists()


def test_a_line_is_cut_to_what_is_shown_without_half_a_character() -> None:
    cut = shorten("x" + "é" * 1000)
    assert 1022 <= len(cut) <= 1024
    assert cut.decode().endswith("é")


@pytest.mark.parametrize("arguments", [[], ["tarin"], ["train", "--verbose"]])
def test_an_unknown_command_is_refused_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: model_code" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "code"), [("serve", 0), ("train", 143)])
def test_sigterm_ends_even_process_1_of_a_container(command: str, code: int) -> None:
    program = (
        "import os, signal, model_code.__main__ as entry; "
        "entry._run = lambda command, paths: os.kill(os.getpid(), signal.SIGTERM); "
        f"entry.main(['{command}'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert ended.returncode == code


def test_validation_loads_no_learning_library_and_training_no_web_server() -> None:
    loaded = (
        "import sys, model_code.runtime.{}; "
        "print(*{{'xgboost', 'pandas', 'uvicorn', 'polars'}} & set(sys.modules))"
    )

    def modules(name: str) -> set[str]:
        ended = subprocess.run(
            [sys.executable, "-c", loaded.format(name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(ended.stdout.split())

    assert modules("validate") == {"polars"}
    assert "uvicorn" not in modules("train")
