"""The store of environments: which of them a container may run in."""

import platform
from pathlib import Path

import pytest

from local_account import environments

KEY = "0123456789abcdef"


def _environment(cache: Path, python: Path, version: str, marked: bool = True) -> Path:
    folder = environments.folder_of(cache, KEY)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(python)
    (folder / "pyvenv.cfg").write_text(f"home = /nowhere\nversion = {version}\n")
    if marked:
        (folder / environments.MARKER).touch()
    return folder


def test_an_environment_of_the_accounts_python_is_found(tmp_path: Path) -> None:
    own = _environment(tmp_path, environments.base_python(), platform.python_version())
    (own.with_name("0" * 16)).mkdir()  # of somebody who has not finished
    assert environments.find(tmp_path, KEY) == own
    assert list(environments.found_in(tmp_path)) == [own]


@pytest.mark.parametrize(
    ("python", "version", "marked"),
    [
        ("/usr/bin/absent-python", platform.python_version(), True),
        ("/bin/sh", platform.python_version(), True),
        ("own", "3.9.1", True),
        ("own", platform.python_version(), False),
    ],
)
def test_an_environment_that_cannot_run_here_is_not_found(
    tmp_path: Path, python: str, version: str, marked: bool
) -> None:
    path = environments.base_python() if python == "own" else Path(python)
    _environment(tmp_path, path, version, marked)
    assert environments.find(tmp_path, KEY) is None
    assert list(environments.found_in(tmp_path)) == []
