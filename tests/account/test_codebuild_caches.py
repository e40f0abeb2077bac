"""`$HOME/.cache` of builds: whose it is, and that no build changes what others run."""

import shutil
from pathlib import Path

import pytest

from local_account import environments
from local_account.image_builds import locked_environments
from local_account.image_builds.console import Console
from tests.account.codebuild_fixture import DirectBuilder, Record, builder, direct, spec
from tests.conftest import CACHE

__all__ = ["builder", "direct"]  # fixtures

LOCAL = {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]}
KEY = locked_environments.EMPTY
IN_STORE = f"$HOME/.cache/environments/{KEY}"


@pytest.fixture
def store() -> Path:
    """The store, with one environment at least."""
    return locked_environments.empty(CACHE, Console(lambda _: None)).parent


def _build(direct: DirectBuilder, name: str, cache: Record, *commands: str) -> list[str]:
    whole = f"{name}-{direct.service.plane.isolation}"
    if whole in direct.names:
        direct.client.update_project(name=whole, source=_source(*commands))
    else:
        direct.project(whole, spec(build=list(commands)), cache=cache)
    build = direct.ended(direct.start(whole))
    assert build["buildStatus"] == "SUCCEEDED", direct.log(build)
    return direct.printed(build)


def _source(*commands: str) -> Record:
    return {"type": "NO_SOURCE", "buildspec": spec(build=list(commands))}


@pytest.mark.parametrize("cache", [LOCAL, {"type": "NO_CACHE"}])
def test_a_build_has_the_environments_of_the_store_and_not_its_layers(
    direct: DirectBuilder, store: Path, cache: Record
) -> None:
    name = f"reads-{cache['type'].lower().replace('_', '-')}"
    printed = _build(
        direct,
        name,
        cache,
        f"{IN_STORE}/bin/python -c 'import pip; print(pip.__name__)'",
        "ls $HOME/.cache",
        "mkdir $HOME/.cache/environments/own && echo made",
    )
    assert printed == ["pip", "environments", "made"]
    assert not (store / "own").exists()


@pytest.mark.parametrize("direct", ["bwrap"], indirect=True)  # a plain process may do all that
def test_no_build_changes_an_environment_of_the_store(direct: DirectBuilder, store: Path) -> None:
    change = f"touch {IN_STORE}/x 2>&1 || rm -r {IN_STORE} 2>&1 || mv {IN_STORE} x 2>&1 || echo no"
    printed = _build(direct, "writes", LOCAL, change)
    assert "Read-only file system" in printed[0]
    assert printed[-1] == "no"
    assert environments.find(CACHE, KEY) == store / KEY
    assert not (store / KEY / "x").exists()


def test_what_a_build_keeps_is_for_its_project_alone(direct: DirectBuilder) -> None:
    look = "cat $HOME/.cache/kept 2> /dev/null || echo nothing"
    write = "echo kept > $HOME/.cache/kept"
    assert _build(direct, "keeps", LOCAL, look, write) == ["nothing"]
    assert _build(direct, "keeps", LOCAL, look) == ["kept"]
    assert _build(direct, "another", LOCAL, look) == ["nothing"]
    for _ in range(2):
        assert _build(direct, "keeps-nothing", {"type": "NO_CACHE"}, look, write) == ["nothing"]


def test_links_that_a_build_leaves_lead_the_next_one_nowhere(
    direct: DirectBuilder, store: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    _build(direct, "links", LOCAL, "true")
    kept = direct.account.log.parent / "state/builds" / f"links-{direct.service.plane.isolation}"
    place = kept / "cache/environments"
    shutil.rmtree(place)
    place.symlink_to(outside)
    printed = _build(direct, "links", LOCAL, f"test -x {IN_STORE}/bin/python && echo there")
    assert printed == ["there"]
    assert list(outside.iterdir()) == []
