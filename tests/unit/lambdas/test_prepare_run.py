"""PrepareRun from event to run, over a gateway that keeps everything in memory."""

import json
from typing import Any

import pytest

from prepare_run.gateway import RunGateway
from prepare_run.models import Claim, PrepareRunRequest, Run
from prepare_run.preparation import prepare_run, take_turn
from shared.environment import PrepareRunEnvironment
from shared.errors import (
    DatasetInvalid,
    EventInvalid,
    ImageInvalid,
    ImageMissing,
    RunKeyContended,
)
from shared.events import parse_request
from shared.version_records import VersionRecord

BUCKET = "acme-data"
MANIFEST: dict[str, Any] = {
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
    deployment_id="d-1",
    bucket_name=BUCKET,
    repository_name="demo-model",
    repository_uri="host/demo-model",
    image_parameter_name="/demo/dev/image",
)
TRAINING, PROCESSING = (f"host/demo-model@sha256:{digit * 64}" for digit in "12")
OTHER_TRAINING, OTHER_PROCESSING = (f"host/demo-model@sha256:{digit * 64}" for digit in "34")
SOURCE = {"commit": "c" * 40, "author": "Ada <ada@x.org>", "message": "Try eta"}
PUBLISHED = {"training": TRAINING, "processing": PROCESSING, **SOURCE}


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
        self.newest: str | None = "v1.0"
        self.published: str | None = json.dumps(PUBLISHED)
        self.images = {TRAINING, PROCESSING, OTHER_TRAINING, OTHER_PROCESSING}
        self.asked_version_id: str | None = None
        self.claims: list[str] = []
        self.registered: list[str] = []
        self.statuses: dict[str, str] = {}
        self.rivals: list[str] = []
        self.takers: dict[str, str] = {}

    def manifest(self, key: str, version_id: str | None) -> bytes:
        self.asked_version_id = version_id
        return json.dumps(MANIFEST).encode()

    def object_sizes(self, prefix: str) -> dict[str, int]:
        return {
            key.removeprefix(prefix): size
            for key, size in self.objects.items()
            if key.startswith(prefix)
        }

    def newest_version(self) -> str | None:
        return self.newest

    def published_images(self, parameter_name: str) -> str | None:
        assert parameter_name == "/demo/dev/image"
        return self.published

    def has_image(self, digest: str) -> bool:
        return f"host/demo-model@{digest}" in self.images

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

    def taker_of(self, dataset_digest: str) -> str | None:
        return self.takers.get(dataset_digest)

    def note_taker(self, dataset_digest: str, execution_arn: str) -> None:
        self.takers[dataset_digest] = execution_arn

    def version_record(self, run_key: str) -> VersionRecord | None:
        if not self.registered:
            return None
        latest, *earlier = self.registered
        return VersionRecord(execution_arn=latest, earlier=tuple(earlier))

    def status(self, execution_arn: str) -> str | None:
        return self.statuses.get(execution_arn)


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


def asked(**fields: Any) -> PrepareRunRequest:
    request = {"trigger": "upload", "dataset": "v1.0", "manifest_version_id": "m-1"} | fields
    settings = {"eta": "0.1", "max_depth": "5"}
    payload = {"execution_arn": "mine", "request": request, "hyperparameters": settings}
    return parse_request(PrepareRunRequest, payload)


def prepared(request: PrepareRunRequest, gateway: MemoryGateway) -> Run:
    run = prepare_run(request, ENVIRONMENT, gateway)
    assert run is not None
    return run


@pytest.fixture
def request_of() -> PrepareRunRequest:
    return asked()


def test_a_new_data_set_becomes_a_claimed_run(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    run = prepared(request_of, gateway)
    assert (run.status, run.attempt, run.duplicate_of) == ("New", 1, None)
    assert gateway.claims == ["mine"]
    assert gateway.asked_version_id == "m-1"
    assert (run.image.training, run.image.processing) == (TRAINING, PROCESSING)
    assert {"commit": run.commit, "author": run.author, "message": run.message} == SOURCE


def test_the_execution_s_hyperparameters_override_those_of_the_settings(
    gateway: MemoryGateway,
) -> None:
    run = prepared(asked(hyperparameters={"eta": "0.3", "gamma": "1"}), gateway)
    assert run.hyperparameters == {"eta": "0.3", "max_depth": "5", "gamma": "1"}
    again = prepared(asked(hyperparameters={"eta": "0.1"}), gateway)
    assert again.run_key == prepared(asked(), gateway).run_key != run.run_key


def test_a_run_that_a_person_asks_for_takes_the_current_manifest(gateway: MemoryGateway) -> None:
    request = parse_request(
        PrepareRunRequest,
        {"execution_arn": "mine", "request": {"dataset": "v1.0"}, "hyperparameters": {}},
    )
    assert prepared(request, gateway).trigger == "manual"
    assert gateway.asked_version_id is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "runs"}, "request.dataset: Value error, expected a version that"),
        ({"dataset": "../v1.0"}, "request.dataset: Value error, expected a version that"),
        ({"dataset": None}, "manifest_version_id is of no data set; give its dataset as well"),
        ({"dataset": 1}, "request.dataset: Input should be a valid string"),
        ({"image": TRAINING}, "request.image: Input should be a valid dictionary"),
        ({"image": {"training": TRAINING}}, "request.image.processing: Field required"),
        ({"commit": "c" * 40}, "commit, author and message are of no image"),
        ({"message": "x"}, "commit, author and message are of no image"),
        ({"commit": "main"}, "request.commit: String should match pattern"),
        ({"hyperparams": {}}, "request.hyperparams: Extra inputs are not permitted"),
        ({"hyperparameters": {"eta": 0.1}}, "hyperparameters.eta: Input should be a valid string"),
        ({"hyperparameters": {"a b": "1"}}, "String should match pattern"),
        ({"hyperparameters": {"eta": "1" * 2501}}, "at most 2500 characters"),
        ({"trigger": "other"}, "request.trigger: Input should be 'upload'"),
        ({"again": "perhaps"}, "request.again: Input should be a valid boolean"),
    ],
)
def test_a_malformed_execution_input_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(EventInvalid) as caught:
        asked(**fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


OWN = {"training": OTHER_TRAINING, "processing": OTHER_PROCESSING}
CODE = {"trigger": "code", "dataset": "v1.0", "manifest_version_id": None, "image": OWN, **SOURCE}


def test_a_commit_s_run_takes_the_images_that_its_build_made(gateway: MemoryGateway) -> None:
    gateway.published = None
    run = prepared(asked(**CODE), gateway)
    assert run.image.model_dump() == OWN
    assert (run.trigger, run.commit, run.message) == ("code", "c" * 40, "Try eta")


def test_images_without_a_commit_are_of_none(gateway: MemoryGateway) -> None:
    run = prepared(asked(image=OWN), gateway)
    assert (run.image.model_dump(), run.commit, run.message) == (OWN, None, "")


def test_without_a_data_set_the_newest_is_taken(gateway: MemoryGateway) -> None:
    run = prepared(asked(**CODE | {"dataset": None}), gateway)
    assert run.dataset.version == "v1.0"
    assert gateway.asked_version_id is None


def test_where_no_data_set_is_there_is_nothing_to_train(gateway: MemoryGateway) -> None:
    gateway.newest = None
    assert prepare_run(asked(**CODE | {"dataset": None}), ENVIRONMENT, gateway) is None
    assert gateway.claims == []


def test_the_run_of_an_upload_that_a_commit_s_run_was_faster_than_is_a_duplicate(
    gateway: MemoryGateway,
) -> None:
    gateway.published = json.dumps({**OWN, **SOURCE})
    prepared(asked(**CODE), gateway)
    gateway.statuses = {"mine": "RUNNING"}
    upload = asked().model_copy(update={"execution_arn": "upload's"})
    run = prepared(upload, gateway)
    assert (run.status, run.duplicate_of) == ("Duplicate", "mine")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("RUNNING", "Duplicate"), ("SUCCEEDED", "Duplicate"), ("FAILED", "New")],
)
def test_a_late_upload_is_not_trained_again_with_a_newer_image(
    gateway: MemoryGateway, status: str, outcome: str
) -> None:
    first = prepared(asked(**CODE), gateway)
    gateway.claims, gateway.statuses = [], {"mine": status}  # the newer image's run key is free
    late = asked(trigger="reconciler").model_copy(update={"execution_arn": "late"})
    run = prepared(late, gateway)
    assert run.run_key != first.run_key
    assert (run.status, run.duplicate_of) == (outcome, "mine" if outcome == "Duplicate" else None)


def test_an_upload_s_own_event_trains_with_the_newer_image(gateway: MemoryGateway) -> None:
    prepared(asked(**CODE), gateway)
    gateway.claims, gateway.statuses = [], {"mine": "SUCCEEDED"}
    upload = asked().model_copy(update={"execution_arn": "upload's"})
    assert prepared(upload, gateway).status == "New"


def test_before_the_first_image_the_one_line_says_what_to_do(gateway: MemoryGateway) -> None:
    gateway.published = None
    with pytest.raises(ImageMissing) as caught:
        prepared(asked(), gateway)
    assert str(caught.value) == (
        "parameter /demo/dev/image does not exist: no image has been built yet. Look at the "
        "pipeline, `mlops pipelines follow`, or let it build one, `mlops pipelines start`."
    )
    assert gateway.claims == []


@pytest.mark.parametrize("gone", [OTHER_TRAINING, OTHER_PROCESSING])
def test_an_image_that_the_repository_does_not_have_claims_nothing(
    gateway: MemoryGateway, gone: str
) -> None:
    gateway.images.remove(gone)
    with pytest.raises(ImageMissing) as caught:
        prepared(asked(image=OWN), gateway)
    assert str(caught.value).startswith(f"{gone}: named by the execution's input, but not in the")
    gateway.published = json.dumps({**OWN, **SOURCE})
    with pytest.raises(ImageMissing, match=f"{gone}: named by parameter /demo/dev/image, but not"):
        prepared(asked(), gateway)
    assert gateway.claims == []


@pytest.mark.parametrize(
    "uri",
    [
        f"host/other-model@sha256:{'1' * 64}",
        f"elsewhere/host/demo-model@sha256:{'1' * 64}",
        f"host/demo-model:tag@sha256:{'1' * 64}",
        f"host/demo-model@sha256:{'1' * 63}",
        f"host/demo-model@sha256:{'G' * 64}",
        f"host/demo-model@sha256:{'1' * 64}\n",
        "host/demo-model:newest",
        "host/demo-model",
        "@",
        "",
        "x" * 9000,
    ],
)
@pytest.mark.parametrize("which", ["training", "processing"])
def test_an_image_of_elsewhere_or_by_a_tag_is_refused(
    gateway: MemoryGateway, uri: str, which: str
) -> None:
    with pytest.raises(ImageInvalid) as caught:
        prepared(asked(image=OWN | {which: uri}), gateway)
    assert "expected host/demo-model@sha256:<64 hex digits>" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert gateway.claims == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "document: Invalid JSON"),
        ("null", "document: Input should be an object"),
        (json.dumps(OWN), "commit: Field required"),
        (json.dumps({**PUBLISHED, "training": 5}), "training: Input should be a valid string"),
    ],
)
def test_a_parameter_that_somebody_else_wrote_is_named(
    gateway: MemoryGateway, content: str, problem: str
) -> None:
    gateway.published = content
    with pytest.raises(ImageInvalid, match=f"parameter /demo/dev/image: {problem}") as caught:
        prepared(asked(), gateway)
    assert "\n" not in str(caught.value)


def test_the_same_data_set_again_is_a_duplicate_before_anything_is_created(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    gateway.claims, gateway.registered = ["earlier"], ["earlier"]
    gateway.statuses = {"earlier": "SUCCEEDED"}
    run = prepared(request_of, gateway)
    assert (run.status, run.duplicate_of) == ("Duplicate", "earlier")
    assert gateway.claims == ["earlier"]


def test_files_uploaded_again_since_the_manifest_are_left_to_the_validation_job(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    assert MANIFEST["files"][0]["version_id"] == "one"
    assert prepared(request_of, gateway).status == "New"


def test_a_missing_object_claims_nothing(
    request_of: PrepareRunRequest, gateway: MemoryGateway
) -> None:
    del gateway.objects["v1.0/train/t.csv"]
    with pytest.raises(DatasetInvalid, match="in the manifest but not in the bucket"):
        prepared(request_of, gateway)
    assert gateway.claims == []


@pytest.mark.parametrize("key", ["README.md", "train/late/", "validation/late.csv"])
def test_an_object_anywhere_in_the_version_that_the_manifest_lacks_is_refused(
    request_of: PrepareRunRequest, gateway: MemoryGateway, key: str
) -> None:
    gateway.objects[f"v1.0/{key}"] = 1
    with pytest.raises(DatasetInvalid, match=f"/v1.0/{key}: in the bucket but not in the manifest"):
        prepared(request_of, gateway)
    assert gateway.claims == []


def turn(gateway: MemoryGateway, *, again: bool = False) -> tuple[int, str | None]:
    return take_turn("key", "mine", gateway, again=again)


def test_a_retried_lambda_keeps_its_attempt(gateway: MemoryGateway) -> None:
    assert turn(gateway) == turn(gateway) == (1, None)


@pytest.mark.parametrize("again", [True, False])
def test_a_running_execution_keeps_others_out(gateway: MemoryGateway, again: bool) -> None:
    gateway.claims, gateway.statuses = ["theirs"], {"theirs": "RUNNING"}
    assert turn(gateway, again=again) == (1, "theirs")


def test_a_failed_execution_leaves_the_next_attempt(gateway: MemoryGateway) -> None:
    gateway.claims, gateway.statuses = ["failed"], {"failed": "FAILED"}
    assert turn(gateway) == (2, None)


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_version_of_an_execution_that_failed_does_not_count(
    gateway: MemoryGateway, status: str
) -> None:
    gateway.claims, gateway.registered = ["failed"], ["failed"]
    gateway.statuses = {"failed": status}
    assert turn(gateway) == (2, None)


def test_a_version_whose_execution_is_forgotten_counts(gateway: MemoryGateway) -> None:
    gateway.claims, gateway.registered = ["old"], ["old"]
    assert turn(gateway) == (1, "old")


def test_a_version_before_one_that_failed_still_counts(gateway: MemoryGateway) -> None:
    gateway.claims, gateway.registered = ["good", "failed"], ["failed", "good"]
    gateway.statuses = {"good": "SUCCEEDED", "failed": "FAILED"}
    assert turn(gateway) == (2, "good")


def test_a_run_asked_for_again_runs_although_there_is_a_version(gateway: MemoryGateway) -> None:
    gateway.claims, gateway.registered = ["good"], ["good"]
    gateway.statuses = {"good": "SUCCEEDED"}
    assert turn(gateway, again=True) == (2, None)


def test_a_rival_that_claims_first_wins(gateway: MemoryGateway) -> None:
    gateway.rivals, gateway.statuses = ["rival"], {"rival": "RUNNING"}
    assert turn(gateway) == (1, "rival")


def test_a_claim_whose_answer_was_lost_is_ours(gateway: MemoryGateway) -> None:
    gateway.rivals = ["mine"]  # the client repeated its request, and met what it had written
    assert turn(gateway) == (1, None)


def test_endless_rivals_end_in_a_named_error(gateway: MemoryGateway) -> None:
    gateway.rivals = ["rival"] * 20
    with pytest.raises(RunKeyContended, match="Start again later"):
        turn(gateway)
