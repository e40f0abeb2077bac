"""Every environment is looked at; what may build images is what works, not what is installed."""

import re
from pathlib import Path

import pytest

from mlops.doctor import ENVIRONMENTS, OK, check_image_builder
from tests.conftest import ROOT


def _engine(folder: Path, name: str, status: int) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("docker", "buildah", "found"),
    [
        (0, 0, "buildah, docker where the base image is in its store, else rootless"),
        (1, 0, "buildah where the base image is in its store, else rootless"),
        (1, 1, "rootless"),
    ],
)
def test_an_engine_that_does_not_work_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker: int, buildah: int, found: str
) -> None:
    _engine(tmp_path, "docker", docker)
    _engine(tmp_path, "buildah", buildah)
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = check_image_builder()
    assert (finding.status, finding.found) == (OK, found)


def test_every_environment_that_setup_makes_of_model_code_is_looked_at() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    made = dict(re.findall(r"^(\.venv-\w+)/\.complete: (model_code/\S+\.lock)", rules, re.M))
    assert ".venv-build" in made
    assert {name: lock for name, lock in ENVIRONMENTS.items() if name in made} == made
