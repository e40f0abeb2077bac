"""The demonstration commits with git as a person does, whatever that person's settings are."""

import io
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from mlops.cdk import Cdk
from mlops.errors import ResponseError, ToolError
from mlops.processes import Processes
from mlops.stage import Stage
from mlops.workspace import FORMER, IMPROVED, Workspace
from tests.conftest import ROOT


def _git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=Seed", "-c", "user.email=seed@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository on branch main that holds the project's own choice of the model."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    seed, bare = tmp_path / "seed", tmp_path / "remote.git"
    seed.mkdir()
    (seed / "app.py").write_text((ROOT / "model_code" / "app.py").read_text())
    _git("init", "--quiet", "--initial-branch", "main", cwd=seed)
    _git("add", ".", cwd=seed)
    _git("commit", "--quiet", "-m", "Seed", cwd=seed)
    _git("clone", "--quiet", "--bare", str(seed), str(bare), cwd=tmp_path)
    return bare


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Processes() as processes, ThreadPoolExecutor(1) as pool:
        printed = Console(file=io.StringIO(), width=200)
        stage = Stage(Cdk(tmp_path, "dev"), printed, processes, pool)
        yield Workspace(stage, tmp_path / "demo" / "ModelCode")


def _printed(workspace: Workspace) -> list[str]:
    file = workspace.stage.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def test_each_choice_is_a_commit_on_the_remote(workspace: Workspace, remote: Path) -> None:
    workspace.clone(str(remote))
    first = workspace.choose(FORMER, "Start from chance")
    second = workspace.choose(IMPROVED, "Switch")
    assert _git("log", "--format=%H %an %s", "-2", "main", cwd=remote).splitlines() == [
        f"{second} Demo Switch",
        f"{first} Demo Start from chance",
    ]
    assert FORMER in _git("show", f"{first}:app.py", cwd=remote)
    own = (ROOT / "model_code" / "app.py").read_text()
    assert _git("show", f"{second}:app.py", cwd=remote) == own
    assert _printed(workspace)[1:3] == [
        "$ git commit --quiet -am 'Start from chance'",
        "$ git push --quiet",
    ]


def test_a_clone_of_an_earlier_demonstration_goes(workspace: Workspace, remote: Path) -> None:
    workspace.folder.mkdir(parents=True)
    (workspace.folder / "old").touch()
    workspace.clone(str(remote))
    assert not (workspace.folder / "old").exists()


def test_a_choice_that_is_made_already_is_refused(workspace: Workspace, remote: Path) -> None:
    workspace.clone(str(remote))
    with pytest.raises(ResponseError, match=r"has no line 'from model_code import model_random as"):
        workspace.choose(IMPROVED, "Switch")
    assert _git("log", "--format=%s", "main", cwd=remote) == "Seed\n"


def test_a_remote_that_is_not_there_is_told(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="`git clone --quiet` ended with 128: .*does not exist"):
        workspace.clone(str(tmp_path / "nowhere.git"))
