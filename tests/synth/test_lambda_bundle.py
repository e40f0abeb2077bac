"""The Lambdas' archive follows its contents, and nothing else."""

import os
import subprocess
from pathlib import Path

import pytest

from stacks.constructs import lambda_bundle
from stacks.constructs.lambda_bundle import BundleError, bundle_lambdas


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "lambdas"
    (folder / "some_function").mkdir(parents=True)
    (folder / "requirements.lock").write_text("# no packages\n")
    (folder / "some_function" / "handler.py").write_text("def handler(): ...\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which pip installs one small package."""

    def install(lock: Path, packages: Path) -> None:
        packages.mkdir()
        (packages / "package.py").write_text("")

    monkeypatch.setattr(lambda_bundle, "_install", install)
    return tmp_path / "cache"


def bundled(source: Path, cache: Path) -> bytes:
    bundle_lambdas(source, cache)
    (archive,) = cache.glob("bundle-*.zip")
    return archive.name.encode() + archive.read_bytes()


def test_times_and_compiled_files_change_nothing(source: Path, cache: Path) -> None:
    before = bundled(source, cache)
    handler = source / "some_function" / "handler.py"
    os.utime(handler, (1, 1))
    (source / "some_function" / "__pycache__").mkdir()
    (source / "some_function" / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"x")
    for archive in cache.glob("bundle-*.zip"):
        archive.unlink()
    assert bundled(source, cache) == before


def test_a_change_of_the_source_replaces_the_archive(source: Path, cache: Path) -> None:
    before = bundled(source, cache)
    (source / "some_function" / "logic.py").write_text("")
    assert bundled(source, cache) != before


def test_packages_that_cannot_be_installed_are_one_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess((), 1, "", "ERROR: a\nERROR: No matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(BundleError, match="requirements.lock: .* ERROR: No matching") as caught:
        bundle_lambdas(source, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("*"))
