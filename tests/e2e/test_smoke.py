"""`mlops smoke`, on an embedded account that it takes for a foreign one."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningAccount, start_account
from tests.e2e.conftest import synthesizing

COMMAND = [sys.executable, "-m", "mlops", "smoke", "--yes", "--max-cost"]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAccount]:
    """An account with nothing in it."""
    with start_account(tmp_path_factory.mktemp("foreign")) as running:
        yield running


def _is_empty(account: RunningAccount) -> bool:
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    endpoints = account.client("sagemaker").list_endpoints()["Endpoints"]
    return [each["StackName"] for each in stacks] == ["CDKToolkit"] and not endpoints


def _smoke(account: RunningAccount, max_cost: str) -> subprocess.CompletedProcess[str]:
    with synthesizing():
        return subprocess.run(
            [*COMMAND, max_cost],
            cwd=ROOT,
            env=account.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )


def test_the_whole_story_is_told_and_nothing_of_it_is_left(foreign: RunningAccount) -> None:
    done = _smoke(foreign, "5")
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout
    assert re.search(r"estimate \d+\.\d\d USD", printed)
    assert re.search(r"Build +Succeeded", printed), "the pipeline's first run makes the image"
    for words in ("v1.0", "v1.1", "SUCCEEDED", "prediction", "nothing of abalone smoke is left"):
        assert words in printed
    assert "kept: stack CDKToolkit" in printed
    assert _is_empty(foreign)


def test_an_interrupt_while_the_first_image_is_built_takes_everything_away(
    foreign: RunningAccount, tmp_path: Path
) -> None:
    printed = _interrupted(foreign, tmp_path / "smoke.log", r"Source +Succeeded")
    for words in (
        "stopped: pipeline execution",
        "stopped: build",
        "nothing of abalone smoke is left",
    ):
        assert words in printed
    assert _is_empty(foreign)


def test_the_same_data_trains_after_a_destroy_and_an_interrupt_takes_everything_away(
    foreign: RunningAccount, tmp_path: Path
) -> None:
    # SageMaker keeps the names of jobs for ever: the first test's are taken
    printed = _interrupted(foreign, tmp_path / "smoke.log", r"TrainModel +succeeded")
    assert "stopped: interrupted" in printed
    assert "nothing of abalone smoke is left" in printed
    assert _is_empty(foreign)


def _interrupted(account: RunningAccount, log: Path, seen: str) -> str:
    """Tell the story, and interrupt it once something is seen; return what was printed."""
    with synthesizing(), log.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "5"], cwd=ROOT, env=account.environment, stdout=output, stderr=output
        )
        deadline = time.monotonic() + 300
        while not re.search(seen, log.read_text()):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130, log.read_text()
    return log.read_text()


def test_an_account_with_another_environment_is_refused_and_left_alone(
    foreign: RunningAccount,
) -> None:
    ecr = foreign.client("ecr")
    ecr.create_repository(repositoryName="abalone-model")
    done = _smoke(foreign, "5")
    assert done.returncode == 1
    assert "repository abalone-model is there, and is not of this stack" in done.stderr
    assert ecr.describe_repositories(repositoryNames=["abalone-model"])["repositories"]


def test_a_limit_below_the_estimate_starts_nothing(foreign: RunningAccount) -> None:
    done = _smoke(foreign, "0.01")
    assert done.returncode == 2
    assert "less than the estimate" in done.stderr
