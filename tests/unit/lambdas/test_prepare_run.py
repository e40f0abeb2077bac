"""PrepareRun from event to run, over a gateway that keeps everything in memory."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from prepare_run.gateway import RunGateway
from prepare_run.models import Claim, PrepareRunRequest, PushedImage
from prepare_run.preparation import prepare_run, take_turn
from shared.environment import PrepareRunEnvironment
from shared.errors import DatasetInvalid, RunKeyContended
from shared.events import parse_request

BUCKET = "acme-data"
MANIFEST = {
    "schema": 1,
    "version": "v1.0",
    "files": [
        {"key": "train/t.csv", "sha256": "a" * 64, "size": 10, "version_id": "one"},
        {"key": "validation/v.csv", "sha256": "b" * 64, "size": 20},
    ],
}
ENVIRONMENT = PrepareRunEnvironment(
    powertools_service_name="test",
    powertools_metrics_namespace="test",
    powertools_log_level="INFO",
    project_name="demo",
    bucket_name=BUCKET,
    repository_name="demo-model",
    repository_uri="host/demo-model",
)


class MemoryGateway(RunGateway):
    """What S3, ECR and Step Functions would answer."""

    def __init__(self) -> None:
        super().__init__(BUCKET, "demo-model")
        self.objects = {
            "v1.0/_MANIFEST.json": 300,
            "v1.0/train/t.csv": 10,
            "v1.0/validation/v.csv": 20,
            "v1.0-other/train/t.csv": 1,
        }
        self.asked_version_id: str | None = None
        self.claims: list[str] = []
        self.version_of: str | None = None
        self.running: set[str] = set()
        self.rivals: list[str] = []

    def manifest(self, key: str, version_id: str | None) -> bytes:
        self.asked_version_id = version_id
        return json.dumps(MANIFEST).encode()

    def object_sizes(self, prefix: str) -> dict[str, int]:
        return {
            key.removeprefix(prefix): size
            for key, size in self.objects.items()
            if key.startswith(prefix)
        }

    def current_version_id(self, key: str) -> str:
        return "one"

    def images(self) -> Any:
        for suffix in ("", "-processing"):
            now = datetime.now(UTC)
            yield PushedImage(digest=f"sha256:x{suffix}", tags=(f"t{suffix}",), pushed_at=now)

    def newest_claim(self, run_key: str) -> Claim | None:
        count = len(self.claims)
        return Claim(attempt=count, execution_arn=self.claims[-1]) if count else None

    def claim(self, run_key: str, attempt: int, execution_arn: str) -> bool:
        if self.rivals:
            self.claims.append(self.rivals.pop(0))
            return False
        assert attempt == len(self.claims) + 1
        self.claims.append(execution_arn)
        return True

    def registered_by(self, run_key: str) -> str | None:
        return self.version_of

    def is_running(self, execution_arn: str) -> bool:
        return execution_arn in self.running


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def request_of(event: Callable[[str], Any]) -> PrepareRunRequest:
    detail = event("s3_object_created_detail")
    payload = {"execution_arn": "mine", "event": detail, "hyperparameters": {"eta": "0.1"}}
    return parse_request(PrepareRunRequest, payload)


def test_a_new_data_set_becomes_a_claimed_run(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    run = prepare_run(request_of, ENVIRONMENT, gateway)
    assert (run.status, run.attempt, run.duplicate_of) == ("New", 1, None)
    assert gateway.claims == ["mine"]
    assert gateway.asked_version_id == "tQ7wK2m9xVb3YhNf0Zs5RdLpUc8JeGaO"
    assert run.image.processing == "host/demo-model@sha256:x-processing"


def test_the_same_data_set_again_is_a_duplicate_before_anything_is_created(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    gateway.claims, gateway.version_of = ["earlier"], "earlier"
    run = prepare_run(request_of, ENVIRONMENT, gateway)
    assert (run.status, run.duplicate_of) == ("Duplicate", "earlier")
    assert gateway.claims == ["earlier"]


def test_an_object_of_another_bucket_is_refused(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    elsewhere = ENVIRONMENT.model_copy(update={"bucket_name": "other"})
    with pytest.raises(DatasetInvalid, match="expected an object of bucket other"):
        prepare_run(request_of, elsewhere, gateway)


def test_an_object_replaced_since_the_manifest_is_refused(
    request_of: PrepareRunRequest, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "current_version_id", lambda key: "two")
    with pytest.raises(DatasetInvalid, match="train/t.csv: was replaced"):
        prepare_run(request_of, ENVIRONMENT, gateway)


def test_a_missing_object_claims_nothing(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    del gateway.objects["v1.0/train/t.csv"]
    with pytest.raises(DatasetInvalid, match="in the manifest but not in the bucket"):
        prepare_run(request_of, ENVIRONMENT, gateway)
    assert gateway.claims == []


@pytest.mark.parametrize("key", ["README.md", "train/", "validation/late.csv"])
def test_an_object_anywhere_in_the_version_that_the_manifest_lacks_is_refused(
    request_of: PrepareRunRequest, gateway: MemoryGateway, key: str
) -> None:
    gateway.objects[f"v1.0/{key}"] = 0
    with pytest.raises(DatasetInvalid, match=f"/v1.0/{key}: in the bucket but not in the manifest"):
        prepare_run(request_of, ENVIRONMENT, gateway)
    assert gateway.claims == []


def test_a_retried_lambda_keeps_its_attempt(gateway: MemoryGateway) -> None:
    first = take_turn("key", "mine", gateway)
    assert take_turn("key", "mine", gateway) == first == (1, None)


def test_a_running_execution_keeps_others_out(gateway: MemoryGateway) -> None:
    gateway.claims, gateway.running = ["theirs"], {"theirs"}
    assert take_turn("key", "mine", gateway) == (1, "theirs")


def test_a_failed_execution_leaves_the_next_attempt(gateway: MemoryGateway) -> None:
    gateway.claims = ["failed"]
    assert take_turn("key", "mine", gateway) == (2, None)


def test_a_rival_that_claims_first_wins(gateway: MemoryGateway) -> None:
    gateway.rivals, gateway.running = ["rival"], {"rival"}
    assert take_turn("key", "mine", gateway) == (1, "rival")


def test_endless_rivals_end_in_a_named_error(gateway: MemoryGateway) -> None:
    gateway.rivals = ["rival"] * 20
    with pytest.raises(RunKeyContended, match="Start again later"):
        take_turn("key", "mine", gateway)
