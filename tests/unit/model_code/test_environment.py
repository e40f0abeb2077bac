"""Environments of lock files: two that make one, one that did not end, one that is in use."""

import fcntl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, get_ident

import pytest

from model_code.pipeline import environment as module
from model_code.pipeline.environment import COMPLETE, LOCK, environment, is_complete

SECONDS = 30


def install(folder: Path, by: str) -> None:
    """Put there what an installation leaves, without its minute."""
    (folder / "bin").mkdir()
    (folder / "bin/python").touch()
    (folder / "made-by").write_text(by)
    (folder / COMPLETE).touch()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    (tmp_path / "some.lock").write_text("one==1.0\n")
    return tmp_path / "some.lock"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Say who installed; no package is."""
    by: list[str] = []

    def fake(lock: Path, folder: Path) -> None:
        by.append(str(get_ident()))
        install(folder, by[-1])

    monkeypatch.setattr(module, "_install", fake)
    yield by


def test_an_environment_is_made_once(lock: Path, tmp_path: Path, installed: list[str]) -> None:
    first, second = environment(lock, tmp_path), environment(lock, tmp_path)
    assert first == second
    assert is_complete(first)
    assert len(installed) == 1
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_what_did_not_end_is_made_anew(lock: Path, tmp_path: Path, installed: list[str]) -> None:
    folder = environment(lock, tmp_path)
    (folder / COMPLETE).unlink()
    (folder / "left").touch()
    assert environment(lock, tmp_path) == folder
    assert is_complete(folder)
    assert not (folder / "left").exists()
    assert len(installed) == 2


def test_of_two_that_make_one_the_second_takes_the_firsts(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Barrier(2)

    def fake(lock: Path, folder: Path) -> None:
        install(folder, str(get_ident()))
        both.wait(SECONDS)

    monkeypatch.setattr(module, "_install", fake)
    seen = []

    def make(_: int) -> str:
        seen.append((environment(lock, tmp_path) / "made-by").read_text())
        return seen[-1]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(make, range(2))
    assert first == second
    assert len(list((tmp_path / "environments").iterdir())) == 1


def test_nobody_changes_the_store_while_another_does(
    lock: Path, tmp_path: Path, installed: list[str]
) -> None:
    with (tmp_path / LOCK).open("w") as file, ThreadPoolExecutor(1) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = pool.submit(environment, lock, tmp_path)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        fcntl.flock(file, fcntl.LOCK_UN)
        assert is_complete(waiting.result(timeout=SECONDS))
