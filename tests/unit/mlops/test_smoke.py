"""A smoke test is estimated, watched, stopped at its limit and taken away in any case."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops import smoke, smoke_teardown
from mlops.errors import BudgetError, MlopsError, ToolError
from mlops.metering import Meter, Rate, total_usd
from mlops.project import load_project
from mlops.render import Output
from mlops.smoke import plan_of, run_smoke
from mlops.target import Target

HOUR = 3600.0
JOB = Rate("job", "ml.m5.large")  # 0.115 USD an hour
KEY = Rate("key", "kms-key")  # 1 USD a month


def _meter(limit: float) -> tuple[Meter, list[float]]:
    now = [0.0]
    return Meter(limit, clock=lambda: now[0]), now


def test_a_meter_counts_what_goes_on_and_what_went_on() -> None:
    meter, now = _meter(1.0)
    meter.begin(JOB)
    now[0] = HOUR
    assert meter.usd == pytest.approx(0.115)
    meter.end(JOB)
    now[0] = 9 * HOUR
    assert meter.usd == pytest.approx(0.115), "what ended costs no more"
    meter.begin(JOB)
    now[0] = 10 * HOUR
    assert meter.usd == pytest.approx(0.23)


def test_what_is_counted_already_is_not_counted_anew() -> None:
    meter, now = _meter(1.0)
    meter.begin(JOB)
    now[0] = HOUR
    meter.begin(JOB)
    assert meter.usd == pytest.approx(0.115)


def test_a_price_by_the_month_is_counted_by_the_hour() -> None:
    meter, now = _meter(1.0)
    meter.begin(KEY)
    now[0] = 73 * HOUR
    assert meter.usd == pytest.approx(0.1)


def test_a_meter_past_its_limit_says_so() -> None:
    meter, now = _meter(0.2)
    meter.begin(JOB)
    now[0] = HOUR
    meter.check()
    now[0] = 2 * HOUR
    with pytest.raises(BudgetError, match=r"about 0\.23 USD are used, --max-cost is 0\.20 USD"):
        meter.check()


def test_what_has_no_price_is_not_estimated() -> None:
    with pytest.raises(BudgetError, match=r"no price known for ml\.x9\.huge.*prices\.toml"):
        total_usd([Rate("job", "ml.x9.huge").line(1.0)])


def test_the_estimate_counts_every_part_by_the_settings() -> None:
    lines = plan_of(load_project()).estimate()
    items = {line.item: line for line in lines}
    assert items["builds on BUILD_GENERAL1_SMALL"].quantity == pytest.approx(20)
    assert items["builds on BUILD_GENERAL1_SMALL"].usd == pytest.approx(0.1)
    assert items["jobs on ml.m5.large"].quantity == pytest.approx(2 * 20 / 60)
    assert items["staging endpoint on ml.t2.medium"].quantity == pytest.approx(2.0)
    assert total_usd(lines) == pytest.approx(sum(line.usd or 0 for line in lines))
    assert 0.05 < total_usd(lines) < 2.0


class _Story:
    """A smoke test whose steps are one function, and whose teardown is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, go: Any, limit: float = 1.0) -> None:
        self.torn_down, self.limit = False, limit
        monkeypatch.setattr(smoke, "require_free_names", lambda *_: None)
        monkeypatch.setattr(smoke, "bootstrapped", lambda _: True)
        monkeypatch.setattr(smoke, "ignore_signals", lambda: None)
        monkeypatch.setattr(smoke, "tear_down", self._tear_down)
        monkeypatch.setattr(smoke, "_LOOK_SECONDS", 0.02)
        monkeypatch.setattr(smoke.Smoke, "go", go)

    def _tear_down(self, *_: Any) -> None:
        self.torn_down = True

    def tell(self) -> None:
        target = cast("Target", SimpleNamespace(account_id="1", region="r"))
        run_smoke(load_project(), target, Output(), self.limit)


@pytest.fixture
def alarm() -> Iterator[None]:
    """Leaves SIGALRM as it was."""
    former = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, former)


def _wait_for_ever(self: smoke.Smoke) -> None:
    self.meter.begin(Rate("endpoint", "ml.g5.xlarge", 1e9))
    time.sleep(30)


def test_the_limit_ends_whatever_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    story, began = _Story(monkeypatch, _wait_for_ever), time.monotonic()
    with pytest.raises(BudgetError):
        story.tell()
    assert time.monotonic() - began < 10
    assert story.torn_down
    assert "stopped: about" in capsys.readouterr().out


@pytest.mark.usefixtures("alarm")
def test_the_limit_does_not_end_the_cleaning_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    def clean_up_slowly(self: smoke.Smoke) -> None:
        try:
            _wait_for_ever(self)
        finally:
            time.sleep(0.2)
            cleaned.append("step")

    with pytest.raises(BudgetError):
        _Story(monkeypatch, clean_up_slowly).tell()
    assert cleaned == ["step"]


@pytest.mark.usefixtures("alarm")
def test_a_late_alarm_does_not_end_the_teardown(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: Any) -> None:
        raise BudgetError("too late")

    signal.signal(signal.SIGALRM, too_late)
    story = _Story(monkeypatch, lambda self: None)
    tear_down = story._tear_down

    def late(*parts: Any) -> None:
        signal.raise_signal(signal.SIGALRM)
        tear_down(*parts)

    monkeypatch.setattr(smoke, "tear_down", late)
    story.tell()
    assert story.torn_down


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ToolError("cdk failed"), OSError("gone")])
def test_whatever_ends_it_takes_it_away(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(self: smoke.Smoke) -> None:
        raise error

    story = _Story(monkeypatch, fail)
    with pytest.raises(type(error)):
        story.tell()
    assert story.torn_down


def test_success_takes_it_away_too(monkeypatch: pytest.MonkeyPatch) -> None:
    story = _Story(monkeypatch, lambda self: None)
    story.tell()
    assert story.torn_down


def test_an_account_that_is_refused_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    story = _Story(monkeypatch, lambda self: None)

    def refuse(*_: Any) -> None:
        raise MlopsError("taken")

    monkeypatch.setattr(smoke, "require_free_names", refuse)
    with pytest.raises(MlopsError, match="taken"):
        story.tell()
    assert not story.torn_down


class _Account:
    """An account with stacks that can be deleted, or cannot."""

    def __init__(self, *stacks: str) -> None:
        self.stacks = dict.fromkeys(stacks, "CREATE_COMPLETE")
        self.poll_seconds = 0.0
        self.endpoints: dict[str, str] = {}
        self.sagemaker = SimpleNamespace(get_paginator=self._paginator)

    def _paginator(self, operation: str) -> Any:
        def paginate(ResourceArn: str = "", **_: Any) -> Any:
            tags = [{"Key": "project", "Value": self.endpoints.get(ResourceArn)}]
            names = self.endpoints if operation == "list_endpoints" else ()
            found = [{"EndpointName": name, "EndpointArn": name} for name in names]
            page = {"Tags": tags, "Endpoints": found}
            return [page | {"TrainingJobSummaries": [], "ProcessingJobSummaries": []}]

        return SimpleNamespace(paginate=paginate)

    def stack_outputs(self, name: str) -> dict[str, str] | None:
        return {} if name in self.stacks else None

    def stack_status(self, name: str) -> str | None:
        return self.stacks.get(name)

    def __str__(self) -> str:
        return "account 1"


@contextmanager
def _destroying(monkeypatch: pytest.MonkeyPatch, destroy: Any) -> Iterator[None]:
    cdk = SimpleNamespace(destroy=lambda: [], run=lambda processes, command: destroy())
    monkeypatch.setattr(smoke_teardown, "cdk_of", lambda *_: cdk)
    monkeypatch.setattr(smoke_teardown, "clear", lambda *_: None)
    monkeypatch.setattr(smoke_teardown, "kept", lambda _: [])
    monkeypatch.setattr(smoke_teardown, "leftovers", lambda _: ["endpoint abalone-staging"])
    yield


def _tear_down(account: _Account) -> None:
    smoke_teardown.tear_down(load_project(), "smoke", cast("Target", account), Output())


def test_a_teardown_that_succeeds_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = _Account("abalone-smoke-training", "abalone-smoke-storage")
    with _destroying(monkeypatch, account.stacks.clear):
        _tear_down(account)
    assert "nothing of abalone smoke is left" in capsys.readouterr().out


def test_a_teardown_that_fails_says_what_remains_and_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ToolError("cdk destroy ended with 1")

    account = _Account("abalone-smoke-storage")
    with (
        _destroying(monkeypatch, fail),
        pytest.raises(ToolError, match=r"2 things remain in account 1.*mlops destroy --env smoke"),
    ):
        _tear_down(account)
    printed = capsys.readouterr().out
    for words in (
        "teardown failed: cdk destroy ended with 1",
        "REMAINS: endpoint abalone-staging",
        "REMAINS: stack abalone-smoke-storage",
    ):
        assert words in printed


def test_what_no_stack_tells_of_remains_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = _Account()
    account.endpoints = {"abalone-staging": "abalone", "abalone-two-staging": "abalone-two"}
    with (
        _destroying(monkeypatch, lambda: None),
        pytest.raises(ToolError, match=r"1 things remain in account 1.*by name"),
    ):
        _tear_down(account)
    assert "REMAINS: endpoint abalone-staging" in capsys.readouterr().out


def test_a_stack_that_only_has_a_change_set_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = _Account("abalone-smoke-storage")
    account.stacks["abalone-smoke-storage"] = "REVIEW_IN_PROGRESS"
    monkeypatch.setattr(smoke_teardown, "_SETTLING_SECONDS", 30.0)
    began = time.monotonic()
    with _destroying(monkeypatch, account.stacks.clear):
        _tear_down(account)
    assert time.monotonic() - began < 20


def test_a_stack_that_does_not_settle_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = _Account("abalone-smoke-storage")
    account.stacks["abalone-smoke-storage"] = "UPDATE_IN_PROGRESS"
    monkeypatch.setattr(smoke_teardown, "_SETTLING_SECONDS", 0.1)
    with _destroying(monkeypatch, account.stacks.clear):
        _tear_down(account)
    assert "stacks are not settled after 0 s" in capsys.readouterr().out
