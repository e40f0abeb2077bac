"""Builds with a container engine: what it is asked for, and what of a request it gets to see."""

from dataclasses import replace
from pathlib import Path

import pytest

from local_account.image_builds.building import Asked
from local_account.image_builds.console import BuildError, Console
from local_account.image_builds.engines import ENGINES, EngineBuilder


class Bench:
    """An engine that notes how it is called, and builds nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.program, self.notes = folder, folder / "engine", folder / "notes"
        self.program.write_text(f'#!/bin/sh\necho "$@" >> {self.notes}\ntest "$1" != "$FAILING"\n')
        self.program.chmod(0o755)
        (folder / "context").mkdir()

    def build(self, **asked: str) -> None:
        engine = replace(ENGINES[0], name=str(self.program))
        wanted = Asked(self.folder / "context", "FROM x", **asked)  # type: ignore[arg-type]
        with pytest.raises(BuildError):
            EngineBuilder(engine, self.folder / "cache").build(wanted, Console(lambda _: None))

    @property
    def calls(self) -> list[list[str]]:
        return [line.split() for line in self.notes.read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _tags(calls: list[list[str]]) -> list[str]:
    return [call[call.index("--tag") + 1] for call in calls if call[0] == "build"]


def test_builds_of_one_target_do_not_share_a_name_in_the_engine(bench: Bench) -> None:
    for _ in range(2):
        bench.build(target="model")
    first, second = _tags(bench.calls)
    assert first != second
    assert [call[2] for call in bench.calls if call[0] == "push"] == [first, second]
    removed = [call[1] for call in bench.calls if call[0] == "rmi"]
    assert {first, second} < set(removed)


def test_what_a_failing_build_left_in_the_engine_is_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILING", "build")
    bench.build()
    assert [call[0] for call in bench.calls] == ["build", "rmi"]
    assert bench.calls[1][1:] == _tags(bench.calls)


def test_the_name_of_a_dockerfile_is_no_file_of_this_machine(bench: Bench) -> None:
    outside = bench.folder / "outside"
    bench.build(name=str(outside))
    assert not outside.exists()
    (call, *_) = bench.calls
    assert Path(call[call.index("--file") + 1]).name == "Dockerfile"
