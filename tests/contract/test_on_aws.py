"""How contract tests run on an account that costs money; an embedded one stands for it here."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningAccount, start_account

TEST = "tests/contract/test_identity.py::test_a_parameter_from_creation_to_deletion"
TRAINING = "tests/contract/test_sagemaker.py"
ON_AWS = ("-m", "aws_verified")
PROFILE = ("--profile", "paying")


@pytest.fixture(scope="module")
def paying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAccount]:
    """An account that a profile names, as a real one would be."""
    with start_account(tmp_path_factory.mktemp("paying")) as running:
        yield running


def _pytest(
    account: RunningAccount, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    contact = account.contact
    config = folder / "config"
    config.write_text(
        f"[profile paying]\nregion = {contact['region']}\nendpoint_url = {account.url}\n"
        f"aws_access_key_id = {contact['access_key_id']}\n"
        f"aws_secret_access_key = {contact['secret_access_key']}\n"
    )
    environment = {
        name: value for name, value in account.environment.items() if not name.startswith("AWS_")
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--results", str(folder / "results.json"), *arguments],
        cwd=ROOT,
        env={**environment, "AWS_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*ON_AWS, TEST), "expected --profile NAME and --budget DOLLARS"),
        ((*ON_AWS, TEST, *PROFILE), "--profile needs --budget DOLLARS"),
        (
            (*ON_AWS, TRAINING, *PROFILE, "--budget", "0.05"),
            "USD, --budget is 0.05 USD. Raise the budget",
        ),
    ],
)
def test_nothing_runs_without_an_account_a_budget_and_an_estimate_within_it(
    paying: RunningAccount, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    done = _pytest(paying, tmp_path, *arguments)
    assert done.returncode == 4, done.stdout
    assert expected in done.stderr
    assert not (tmp_path / "results.json").exists()


def test_what_passes_is_estimated_before_and_noted_after(
    paying: RunningAccount, tmp_path: Path
) -> None:
    done = _pytest(paying, tmp_path, *ON_AWS, TEST, *PROFILE, "--budget", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0.0100 USD  estimate, list prices of" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert {name: each["outcome"] for name, each in results.items()} == {TEST: "passed"}


def test_a_run_that_takes_too_long_is_stopped(paying: RunningAccount, tmp_path: Path) -> None:
    done = _pytest(paying, tmp_path, *ON_AWS, TEST, *PROFILE, "--budget", "0.5", "--minutes", "0")
    assert done.returncode != 0
    assert "minutes have passed, expected at most 0" in done.stdout
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("name", ["any-prod-training", "contract-1"])
def test_an_account_with_production_or_with_namesakes_is_left_alone(
    paying: RunningAccount, tmp_path: Path, name: str
) -> None:
    client = paying.client("cloudformation")
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"It": parameter}}))
    try:
        done = _pytest(paying, tmp_path, *ON_AWS, TEST, *PROFILE, "--budget", "0.5")
    finally:
        client.delete_stack(StackName=name)
    assert done.returncode != 0
    assert f"has {name}; expected an account without" in done.stdout + done.stderr
