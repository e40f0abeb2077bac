"""Each module of these tests has an account of its own: no other's names are in its way."""

from collections.abc import Iterator

import pytest

from tests.conftest import RunningAccount, start_account


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAccount]:
    """The account that a module's tests share."""
    with start_account(tmp_path_factory.mktemp("account")) as running:
        yield running
