"""What may build images here is listed by what works, not by what is installed."""

from pathlib import Path

import pytest

from mlops.doctor import OK, check_image_builder


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
