"""However an execution ends and whenever RunEnded dies, the same is left and told once."""

from collections.abc import Callable

import pytest

from shared import records
from shared.errors import CleaningIncomplete
from shared.notifying import CLAIM_SECONDS
from tests.unit.lambdas.account_in_memory import NOW, RUN, TABLE, Account, Crash
from tests.unit.lambdas.run_endings import (
    SCENARIOS,
    left,
    look,
    look_until_complete,
    succeeded,
    text,
    unusable_input,
    update_to_undo,
)
from tests.unit.lambdas.sagemaker_in_memory import ARN

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)


@each_scenario
def test_an_execution_is_brought_to_its_end_and_told_of_once(
    account: Account, scenario: Callable[[Account], None]
) -> None:
    scenario(account)
    look_until_complete(account)
    assert left(account) == SCENARIOS[scenario]
    assert len(account.sns.published) == 1
    done = list(account.changes)
    assert look(request="a late duplicate").status == "Duplicate"
    assert not set(account.changes[len(done) :]) - {"delete_item", "update_item"}
    assert left(account) == SCENARIOS[scenario]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 13))
@each_scenario
def test_a_death_at_any_request_changes_nothing_but_the_time(
    account: Account, scenario: Callable[[Account], None], moment: str, number: int
) -> None:
    scenario(account)
    start = len(account.changes)
    account.crash_at = (moment, start + number)
    try:
        look_until_complete(account)
    except Crash:
        account.crash_at = None
        look_until_complete(account, now=NOW + 1000)
    assert left(account) == SCENARIOS[scenario]
    subjects = [each["Subject"] for each in account.sns.published]
    unconfirmed = account.changes.count("publish") == 2
    assert len(subjects) == 1 + unconfirmed
    assert unconfirmed is False or subjects[1].startswith("Repeated: ")


def test_a_death_between_publishing_and_noting_it_repeats_the_notification(
    account: Account,
) -> None:
    unusable_input(account)
    # begin, claim, publish, confirm
    account.crash_at = ("after", len(account.changes) + 3)
    with pytest.raises(Crash):
        look()
    account.crash_at = None
    assert look(request="another one, at once", now=NOW + 1).status == "Pending"
    assert len(account.sns.published) == 1
    assert look(now=NOW + 2).status == "Completed"
    assert [each["Subject"][:9] for each in account.sns.published] == ["demo: run", "Repeated:"]


def test_a_claim_of_a_dead_lambda_is_taken_over_in_time(account: Account) -> None:
    unusable_input(account)
    records.begin_end(TABLE, ARN, redrives=0, now=NOW)
    assert records.claim_notification(TABLE, ARN, now=NOW, claimant="dead")
    assert look(now=NOW + CLAIM_SECONDS - 1).status == "Pending"
    assert look(now=NOW + CLAIM_SECONDS).status == "Completed"
    assert account.sns.published[0]["Subject"].startswith("Repeated: ")


@pytest.mark.parametrize(
    ("operation", "step"),
    [
        ("describe_endpoint", "Restoring staging"),
        ("update_model_package", "Rejecting the model version"),
        ("update_endpoint", "Restoring staging"),
        ("get_paginator", "Reading the history"),
        ("describe_training_job", f"Stopping job {RUN}"),
    ],
)
def test_what_is_refused_for_good_is_named_once_and_stops_nothing_else(
    account: Account, operation: str, step: str
) -> None:
    update_to_undo(account)
    account.refused = {operation: "AccessDeniedException"}
    for _ in range(3):
        with pytest.raises(CleaningIncomplete, match=step):
            look()
    assert len(account.sns.published) == 1
    assert f"Not cleaned up yet, is tried again: {step}" in text(account)
    assert records.end(TABLE, ARN).completed is False
    account.refused = {}
    look_until_complete(account)
    assert left(account) == SCENARIOS[update_to_undo]
    assert len(account.sns.published) == 1


def test_what_success_leaves_frees_staging_even_if_it_may_not_be_deleted(
    account: Account,
) -> None:
    succeeded(account)
    account.refused = {"delete_model": "AccessDeniedException"}
    with pytest.raises(CleaningIncomplete, match="Deleting what earlier runs left"):
        look()
    assert records.lock(TABLE) is None
    assert len(account.sns.published) == 1
    assert "Deleting" not in text(account)
