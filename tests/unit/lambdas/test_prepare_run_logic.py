"""What makes a data set version valid, and what identifies a run."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from prepare_run import logic
from prepare_run.models import BuiltImage, ImagePair, Run
from shared.errors import DatasetInvalid
from shared.manifests import Manifest

URI = "s3://acme-data/v1.0/_MANIFEST.json"
TRAIN = {"key": "train/train.csv", "sha256": "a" * 64, "size": 10}
VALIDATION = {"key": "validation/validation.csv", "sha256": "b" * 64, "size": 20}
KEY = "0123456789abcdef" * 4


def manifest_bytes(*files: dict[str, Any], **fields: Any) -> bytes:
    content = {"schema": 1, "version": "v1.0", "files": files or [TRAIN, VALIDATION]}
    return json.dumps(content | fields).encode()


def parse(*files: dict[str, Any], **fields: Any) -> Manifest:
    return logic.parse_manifest(manifest_bytes(*files, **fields), URI, "v1.0")


@pytest.mark.parametrize(
    ("files", "fields", "message"),
    [
        ((), {"schema": 2}, "schema: Input should be 1, found '2'"),
        ((), {"version": "v2.0"}, "version is 'v2.0', expected 'v1.0'"),
        ((), {"author": "x"}, "author: Extra inputs are not permitted"),
        ((TRAIN,), {}, "lists no file under validation/"),
        ((TRAIN, TRAIN), {}, "'train/train.csv' is listed 2 times"),
        ((TRAIN, TRAIN | {"key": "train/Train.CSV"}), {}, "ends in .csv"),
        ((TRAIN, TRAIN | {"key": "train/TRAIN.csv"}), {}, "is listed 2 times"),
        ((TRAIN, TRAIN | {"key": "train/other.csv"}), {}, "no file under validation/"),
        ((TRAIN, VALIDATION | {"key": "validation/v.parquet"}), {}, "expected one format"),
        ((TRAIN, VALIDATION | {"key": "test/t.csv"}), {}, "key 'test/t.csv': expected a path"),
        ((TRAIN, VALIDATION | {"key": "validation/../x.csv"}), {}, "expected a path"),
        ((TRAIN, VALIDATION | {"key": "validation//x.csv"}), {}, "expected a path"),
        ((TRAIN, VALIDATION | {"key": "validation/a\nb.csv"}), {}, "expected a path"),
        ((TRAIN, VALIDATION | {"key": "validation/"}), {}, "expected a path"),
        ((TRAIN, VALIDATION | {"sha256": "xyz"}), {}, "files.1.sha256: String should match"),
        ((TRAIN, VALIDATION | {"size": -1}), {}, "files.1.size: Input should be greater"),
        ((TRAIN, VALIDATION | {"size": 0}), {}, "key 'validation/validation.csv' has 0 bytes"),
    ],
)
def test_a_malformed_manifest_is_refused_in_one_line(
    files: tuple[dict[str, Any], ...], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetInvalid) as caught:
        parse(*files, **fields)
    assert message in str(caught.value)
    assert str(caught.value).startswith(URI)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"[]", b"null"])
def test_a_manifest_that_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(DatasetInvalid, match="Write the manifest again"):
        logic.parse_manifest(content, URI, "v1.0")


def test_keys_with_spaces_and_plus_signs_are_accepted() -> None:
    odd = "train/batch one+a %2e.csv"
    assert parse(TRAIN | {"key": odd}, VALIDATION).files[0].key == odd


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train/train.csv": 10}, "validation/validation.csv: in the manifest but not"),
        (
            {"train/train.csv": 11, "validation/validation.csv": 20},
            "train/train.csv: has 11 bytes, expected 10",
        ),
        (
            {"train/train.csv": 10, "validation/validation.csv": 20, "train/late.csv": 1},
            "train/late.csv: in the bucket but not in the manifest",
        ),
    ],
)
def test_objects_that_differ_from_the_manifest_are_named(
    sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(DatasetInvalid, match=f"s3://acme-data/v1.0/{message}"):
        logic.check_objects(parse(), "s3://acme-data/v1.0/", sizes)


def test_objects_that_equal_the_manifest_pass_and_folders_of_a_console_do_not_count() -> None:
    sizes = {"": 0, "train/": 0, "train/train.csv": 10, "validation/validation.csv": 20}
    logic.check_objects(parse(), "s3://acme-data/v1.0/", sizes)


def test_the_dataset_digest_is_that_of_the_sorted_keys_and_hashes() -> None:
    canonical = json.dumps(
        [[TRAIN["key"], TRAIN["sha256"]], [VALIDATION["key"], VALIDATION["sha256"]]],
        separators=(",", ":"),
    )
    expected = f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    for files in ((TRAIN, VALIDATION), (VALIDATION, TRAIN | {"version_id": "x"})):
        dataset = logic.describe_dataset(parse(*files), "s3://acme-data/v1.0/")
        assert dataset.digest == expected
    assert dataset.train_uri == "s3://acme-data/v1.0/train/"
    assert dataset.content_type == "text/csv"


def test_the_run_key_changes_with_each_of_its_parts_and_with_nothing_else() -> None:
    pair = ImagePair(training="host/model@sha256:t", processing="host/model@sha256:p")
    settings = logic.settings_digest({"eta": "0.1", "max_depth": "5"})
    key = logic.run_key("sha256:d", pair, settings)
    assert settings == logic.settings_digest({"max_depth": "5", "eta": "0.1"})
    moved = ImagePair(training="other/model@sha256:t", processing="other/model@sha256:p")
    assert logic.run_key("sha256:d", moved, settings) == key
    others = [
        logic.run_key("sha256:e", pair, settings),
        logic.run_key("sha256:d", pair.model_copy(update={"training": "h@sha256:u"}), settings),
        logic.run_key("sha256:d", pair.model_copy(update={"processing": "h@sha256:q"}), settings),
        logic.run_key("sha256:d", pair, logic.settings_digest({"eta": "0.2"})),
    ]
    assert len({key, *others}) == 5


@pytest.mark.parametrize(
    ("project", "version", "attempt", "name"),
    [
        ("demo", "v1.0", 1, "demo-v1-0-DIGEST-1"),
        ("demo", "V1.0__Retrain.", 12, "demo-v1-0-retrain-DIGEST-12"),
        ("p" * 20, "x" * 63, 1, f"{'p' * 20}-{'x' * 20}-DIGEST-1"),
        ("p" * 20, "x" * 19 + "-y", 1, f"{'p' * 20}-{'x' * 19}-DIGEST-1"),
    ],
)
def test_run_names_fit_sagemaker(project: str, version: str, attempt: int, name: str) -> None:
    found = logic.run_name(project, version, KEY, attempt, "d-1")
    assert re.sub("[0-9a-f]{10}", "DIGEST", found) == name
    assert len(f"{found}-evaluate") <= 63


def test_a_later_deployment_takes_no_name_of_an_earlier_one() -> None:
    names = [
        logic.run_name("demo", "v1.0", key, attempt, deployment)
        for key in (KEY, KEY[::-1])
        for attempt in (1, 2)
        for deployment in ("d-1", "d-2")
    ]
    assert len(set(names)) == len(names)
    assert logic.run_name("demo", "v1.0", KEY, 1, "d-1") == names[0]


def test_a_run_knows_all_its_places(event: Callable[[str], Any]) -> None:
    run = logic.describe_run(
        project="demo",
        deployment="d-1",
        bucket="acme-data",
        dataset=logic.describe_dataset(parse(), "s3://acme-data/v1.0/"),
        built=BuiltImage(
            pair=ImagePair(training="h@sha256:t", processing="h@sha256:p"),
            commit="c" * 40,
            author="Ada <ada@x.org>",
            message="Try\nagain" + " and again" * 100,
        ),
        hyperparameters={"eta": "0.1"},
        key=KEY,
        attempt=2,
        duplicate_of=None,
        trigger="schedule",
    )
    assert run.trigger == "schedule"
    assert run.status == "New"
    assert run.validation_job_name == f"{run.name}-validate"
    assert run.training_uri == f"s3://acme-data/runs/{KEY}/2/training"
    assert run.settings_digest == logic.settings_digest({"eta": "0.1"})
    assert (run.commit, run.author) == ("c" * 40, "Ada <ada@x.org>")
    assert run.message.startswith("Try again and again")
    assert len(run.message) == 256


def test_what_stands_for_no_run_has_the_fields_of_one() -> None:
    nothing = logic.nothing_to_train("code")
    assert nothing.keys() == Run.model_fields.keys()
    assert {name: value for name, value in nothing.items() if value is not None} == {
        "status": "NothingToTrain",
        "trigger": "code",
    }
