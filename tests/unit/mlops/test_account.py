"""The embedded account as a process: one a folder, found by its lock, gone when stopped."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops.account import AccountFolder, RunningAccount
from mlops.cli import app
from mlops.errors import AccountError
from mlops.project import Project

ACCOUNT = RunningAccount("http://127.0.0.1:5711", "123456789012", "us-east-1", "AKIA", "a'b $c", 1)
SERVE = """
import json, os, pathlib, signal, sys, time
state = pathlib.Path(sys.argv[1])
def stop(*_):
    (state / "account.json").unlink()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
known = dict(url="http://127.0.0.1:1", account_id="123456789012", region="us-east-1",
             access_key_id="AKIA", secret_access_key="s", pid=os.getpid())
(state / "new").write_text(json.dumps(known))
(state / "new").rename(state / "account.json")
time.sleep(60)
"""
FAIL = "import sys; print('first'); sys.exit('port is taken')"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountFolder]:
    monkeypatch.delenv("MLOPS_HOME", raising=False)
    (tmp_path / "mlops.toml").write_text('[project]\nname = "example"\n')
    monkeypatch.chdir(tmp_path)
    account = AccountFolder(Project(tmp_path, "example"))
    _runs(monkeypatch, SERVE)
    yield account
    account.stop()


def _runs(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    def command(self: AccountFolder, port: int) -> list[str]:
        return [sys.executable, "-c", program, str(self.state)]

    monkeypatch.setattr(AccountFolder, "_command", command)


def test_the_shell_lines_survive_any_character_in_a_secret() -> None:
    lines = ACCOUNT.shell_lines()
    (secret,) = [line for line in lines if "SECRET" in line]
    assert shlex.split(secret) == ["export", "AWS_SECRET_ACCESS_KEY=a'b $c"]
    assert lines[0] == "export AWS_ENDPOINT_URL=http://127.0.0.1:5711"
    assert lines[-1].startswith("unset AWS_PROFILE AWS_SESSION_TOKEN")


def test_after_the_shell_lines_git_signs_in_with_the_aws_cli_of_this_environment() -> None:
    asked = "git config --get-urlmatch credential.helper http://127.0.0.1:5711/v1/repos/ModelCode"
    script = "\n".join((*ACCOUNT.shell_lines(), asked))
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    aws = Path(sys.executable).with_name("aws")
    asked_for = f"{aws} codecommit credential-helper --ignore-host-check get"
    assert told.stdout == f'!f() {{ test "$1" != get || {asked_for}; }}; f\n'


def test_using_an_account_replaces_what_named_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ACCOUNT.variables():
        monkeypatch.setenv(name, "other")
    monkeypatch.setenv("AWS_PROFILE", "work")
    ACCOUNT.use()
    assert os.environ["AWS_ENDPOINT_URL"] == ACCOUNT.url
    assert "AWS_PROFILE" not in os.environ


def test_start_returns_when_the_account_is_ready_and_stop_when_it_is_gone(
    folder: AccountFolder,
) -> None:
    started = folder.start()
    assert folder.running() == started
    assert folder.stop() == started
    assert folder.running() is None
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


def test_a_second_account_on_the_folder_is_refused(folder: AccountFolder) -> None:
    folder.start()
    with pytest.raises(AccountError, match="runs in .* already"):
        folder.start()
    with pytest.raises(AccountError, match="already"):
        folder.require_none()


def test_an_account_that_ends_before_it_is_ready_says_why(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _runs(monkeypatch, FAIL)
    with pytest.raises(AccountError, match="ended with 1: port is taken"):
        folder.start()
    assert not folder.locked()


def test_a_killed_account_is_known_to_be_gone(folder: AccountFolder) -> None:
    os.kill(folder.start().pid, signal.SIGKILL)
    while folder.locked():
        time.sleep(0.01)
    assert folder.running() is None
    assert folder.left_behind()
    result = CliRunner().invoke(app, ["account", "status"])
    assert result.exit_code == 3
    assert "ended without cleaning up" in result.stdout


def test_env_without_an_account_says_how_to_start_one(folder: AccountFolder) -> None:
    result = CliRunner().invoke(app, ["account", "env"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "`.venv/bin/mlops account start`" in result.stderr


def test_status_as_json_names_the_account(folder: AccountFolder) -> None:
    started = folder.start()
    result = CliRunner().invoke(app, ["account", "status", "--json"])
    assert f'"pid": {started.pid}' in result.stdout


def test_the_home_can_be_another_folder(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "elsewhere"))
    folder.start()
    assert (tmp_path / "elsewhere" / "account.log").exists()
