"""Contract tests: the same test on the embedded account (always) and on AWS (when asked for).

`pytest -m aws_verified tests/contract --profile NAME --budget 2.00` runs them on the account of a
profile. Each says what it proves: `@pytest.mark.contract("sagemaker:CreateTrainingJob", ...)`.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.conftest import RunningAccount
from tests.contract.account import PREFIX, Aws, Place, require_no_namesakes
from tests.contract.costs import CapReached, Meter, itemised, lines_of, total
from tests.contract.images import model_image, push
from tests.contract.proofs import VERIFIED

_METER = pytest.StashKey[Meter]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "contract tests on AWS")
    group.addoption("--profile", help="AWS profile of the account to run on")
    group.addoption("--budget", type=float, help="US dollars that the run may cost")
    group.addoption("--minutes", type=float, default=60.0, help="how long the run may take")
    group.addoption("--results", type=Path, default=VERIFIED, help="where to note what passed")
    group.addoption("--image", help="image in that account's ECR, as a build pushes it")


def _on_aws(config: pytest.Config) -> bool:
    return bool(config.getoption("--profile", None))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests; before any runs on AWS, refuse a run that costs more than it may."""
    for item in items:
        if item.get_closest_marker("contract"):
            item.add_marker("aws_verified")
    if not _on_aws(config):
        if "aws_verified" in config.option.markexpr:
            raise pytest.UsageError(
                "-m aws_verified runs on a real account and costs money; expected "
                "--profile NAME and --budget DOLLARS."
            )
        return
    budget = config.getoption("--budget")
    if budget is None:
        raise pytest.UsageError("--profile needs --budget DOLLARS: what the run may cost.")
    items[:] = [item for item in items if item.get_closest_marker("aws_verified")]
    lines = [line for item in items for line in lines_of(item)]
    print("\n".join(["", *itemised(lines)]))
    if total(lines) > budget:
        raise pytest.UsageError(
            f"the estimate is {total(lines):.2f} USD, --budget is {budget:.2f} USD. "
            "Raise the budget, or choose fewer tests with -k."
        )
    config.stash[_METER] = Meter(budget, config.getoption("--minutes"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    meter = item.config.stash.get(_METER, None)
    if meter is not None:
        try:
            meter.spend(total(lines_of(item)))
        except CapReached as reached:
            item.session.shouldstop = str(reached)
            pytest.fail(str(reached), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """Keep what passed on AWS, and when: PARITY.md tells it."""
    report: Any = yield
    if item.config.stash.get(_METER, None) is not None and report.when == "call":
        results: Path = item.config.getoption("--results")
        known = json.loads(results.read_text()) if results.exists() else {}
        known[item.nodeid] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "outcome": report.outcome}
        results.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    return report  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """Where the tests run: the embedded account that all tests share, or AWS."""
    config = request.config
    if not _on_aws(config):
        account: RunningAccount = request.getfixturevalue("account")
        return Place(account.client, account.contact["account_id"], account.contact["region"])
    session: Any = boto3.session.Session(profile_name=config.getoption("--profile"))
    standard = Config(retries={"mode": "standard"})
    place = Place(
        lambda service: session.client(service, config=standard),
        session.client("sts").get_caller_identity()["Account"],
        session.region_name,
        meter=config.stash[_METER],
        image=config.getoption("--image"),
    )
    require_no_namesakes(place, PREFIX)
    return place


@pytest.fixture(scope="session")
def image(place: Place) -> str:
    """The image of the model code, in ECR: on AWS one that is there already."""
    if place.is_aws:
        if not place.image:
            pytest.skip("--image names no image in this account's ECR")
        return place.image
    ecr, repository = place.client("ecr"), "contract-model"
    made = ecr.create_repository(repositoryName=repository)["repository"]
    return f"{made['repositoryUri']}@{push(ecr, repository, model_image(), 'v1')}"


@pytest.fixture
def aws(place: Place) -> Iterator[Aws]:
    """An account with a name that is nobody else's; what a test makes in it goes in any case."""
    account = Aws(place)
    try:
        yield account
    finally:
        account.clean()
