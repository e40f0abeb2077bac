"""Environments of the store as builds make them: which command, and that each is there once."""

import platform
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_account import environments
from local_account.image_builds import locked_environments
from local_account.image_builds.console import BuildError

LOCKED = "--require-hashes --only-binary=:all:"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (
            "python -m pip install --require-hashes --only-binary :all: -r /tmp/r.lock",
            "/tmp/r.lock",
        ),
        (f"pip3 install {LOCKED} --requirement=r.lock -q", "r.lock"),
        ("pip install -r r.lock", ""),
        ("pip install --require-hashes -r r.lock", ""),  # may run what it builds
        ("pip install --require-hashes --only-binary numpy -r r.lock", ""),
        (f"pip install {LOCKED} -r a -r b", ""),
        (f"pip install {LOCKED} -r a numpy", ""),
        (f"pip install {LOCKED} -r a && rm x", ""),
        (f"pip download {LOCKED} -r a", ""),
        (f"pip install {LOCKED} --target x -r a", ""),
        (f"pip install {LOCKED} --no-deps -r a", ""),
    ],
)
def test_which_command_only_installs_a_lock_file(text: str, file: str) -> None:
    assert locked_environments.lock_file_of(text) == file


def test_an_environment_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> int:
        folder.mkdir()
        return 3

    with pytest.raises(BuildError, match="exit code: 3"):
        locked_environments.made(tmp_path, "0" * 16, fails)
    assert list((tmp_path / "environments").iterdir()) == []


def test_an_environment_replaces_one_that_nobody_finished(tmp_path: Path) -> None:
    (tmp_path / "environments" / ("0" * 16) / "half").mkdir(parents=True)

    made = locked_environments.made(tmp_path, "0" * 16, _new)
    assert sorted(path.name for path in made.iterdir()) == [".complete", "bin", "pyvenv.cfg"]
    number = made.stat().st_ino
    again = locked_environments.made(tmp_path, "0" * 16, _new)  # somebody was faster
    assert (again, again.stat().st_ino) == (made, number)
    assert [path.name for path in (tmp_path / "environments").iterdir()] == ["0" * 16]


def _new(folder: Path) -> int:
    """Make what looks like an environment of this Python."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(environments.base_python())
    (folder / "pyvenv.cfg").write_text(f"version = {platform.python_version()}\n")
    return 0


def test_of_two_that_make_an_environment_the_first_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, seen = environments.find, list[int]()

    def slowly(cache: Path, key: str) -> Path | None:
        found = find(cache, key)
        time.sleep(0.3)  # the other one looks too
        return found

    def make() -> None:
        seen.append(locked_environments.made(tmp_path, "0" * 16, _new).stat().st_ino)

    monkeypatch.setattr(environments, "find", slowly)
    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    kept = (tmp_path / "environments" / ("0" * 16)).stat().st_ino
    assert seen == [kept, kept]


def test_an_environment_that_make_has_put_there_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, find = tmp_path / "environments" / ("0" * 16), environments.find

    def late(cache: Path, key: str) -> Path | None:
        found = find(cache, key)
        if found is None:  # it knows no lock
            monkeypatch.setattr(shutil, "rmtree", _after(lambda: _new(target), shutil.rmtree))
            monkeypatch.setattr(environments, "find", find)
        return found

    def _after(act: Callable[[], object], remove: Callable[..., None]) -> Callable[..., None]:
        def rmtree(path: Path, **options: Any) -> None:
            remove(path, **options)
            monkeypatch.setattr(shutil, "rmtree", remove)
            act()
            (target / ".complete").write_text("make's")

        return rmtree

    monkeypatch.setattr(environments, "find", late)
    assert locked_environments.made(tmp_path, "0" * 16, _new) == target
    assert (target / ".complete").read_text() == "make's"
