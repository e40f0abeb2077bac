"""One small job that the tests share: trained and evaluated as the containers do it."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import data
from data.synthesize import synthesize
from model_code.runtime.contract import Contract, read_contract
from model_code.runtime.paths import CONTRACT_FILE, Paths

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Job:
    """A base directory and how to run a command in it, as a process of its own."""

    base: Path

    @property
    def paths(self) -> Paths:
        return Paths(self.base)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "model_code", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        return {**kept, "SAGEMAKER_BASE_DIR": str(self.base), "PYTHONPATH": str(ROOT), **more}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            cwd=self.base,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def put_channels(self, version: Path) -> None:
        for split in ("train", "validation"):
            shutil.copytree(version / split, self.paths.channel(split))
            shutil.copytree(version / split, self.paths.processing_input(split))
        shutil.copytree(version, self.paths.processing_input("dataset"))

    def put_model_archive(self) -> None:
        folder = self.paths.processing_input("model")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
            archive.add(self.paths.model, arcname=".")

    def report(self, command: str, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(
            (self.paths.processing_output(command) / name).read_text()
        )
        return content


@pytest.fixture(scope="session")
def contract() -> Contract:
    return read_contract(CONTRACT_FILE)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    source = data.Source("synthetic", synthesize(), "made up for tests")
    built = data.build_versions(tmp_path_factory.mktemp("versions"), source)
    return {version.name: version.folder for version in built}


@pytest.fixture
def new_job(tmp_path: Path, versions: dict[str, Path]) -> Job:
    """A job with the channels of v1.0 that has not run yet."""
    job = Job(tmp_path / "job")
    job.put_channels(versions["v1.0"])
    return job


@pytest.fixture(scope="session")
def finished_job(tmp_path_factory: pytest.TempPathFactory, versions: dict[str, Path]) -> Job:
    """A job that was trained and evaluated on v1.0; tests only read it."""
    job = Job(tmp_path_factory.mktemp("finished"))
    job.put_channels(versions["v1.0"])
    trained = job.run("train")
    assert trained.returncode == 0, trained.stderr
    job.put_model_archive()
    evaluated = job.run("evaluate")
    assert evaluated.returncode == 0, evaluated.stderr
    return job


@pytest.fixture
def tar_gz() -> Any:
    """Pack members given as (name, content) or as TarInfo."""

    def pack(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    archive.addfile(member)
                    continue
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
        return packed.getvalue()

    return pack
