"""Tests of this repository on its own: `python -m pytest tests`, with requirements-build.lock."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
_PACKAGES = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the repository importable as `model_code`, whatever its folder is called."""
    packages = Path(tempfile.mkdtemp(prefix="model-code-"))
    (packages / "model_code").symlink_to(REPOSITORY)
    sys.path.insert(0, str(packages))
    config.stash[_PACKAGES] = packages
    from model_code.tests.packages import for_evaluation_only
    from model_code.tests.watch.absent import hide

    hide(for_evaluation_only())  # what a model imports, the image has


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_PACKAGES])


@pytest.fixture(scope="session")
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[object]:
    """Each command as SageMaker runs it, once: on rows made from the contract."""
    from model_code.tests.lab import Lab

    with ThreadPoolExecutor() as pool:
        lab = Lab(tmp_path_factory.mktemp("lab"), request.config.stash[_PACKAGES], pool)
        yield lab
        lab.stop()
