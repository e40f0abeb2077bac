"""What a model version says of itself."""

import re
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from model_registry.logic import client_token, metadata, model_package, model_version
from model_registry.models import RegisterRequest

KEY = "0123456789abcdef" * 4
PAYLOAD: dict[str, Any] = {
    "execution_arn": "arn:aws:states:eu-west-1:111122223333:execution:m:e-1",
    "run": {
        "status": "New",
        "run_key": KEY,
        "attempt": 1,
        "name": "demo-v1-0-0123456789-1",
        "dataset": {"version": "v1.0", "digest": f"sha256:{KEY}", "uri": "s3://b/v1.0/"},
        "image": {"training": "host/m@sha256:t", "processing": "host/m@sha256:p"},
        "settings_digest": f"sha256:{KEY}",
    },
    "evaluation": {
        "metrics": {"rmse": 2.14, "baseline_rmse": 2.22, "r2": 1e-05},
        "model_sha256": KEY,
        "evaluation_uri": "s3://b/runs/k/1/evaluation/evaluation.json",
    },
    "gate": {
        "verdict": "failed",
        "mode": "report",
        "summary": "rmse is 4.61, expected at most 2.35; r2 is (x)" + " long" * 100,
    },
    "model_data_url": "s3://b/runs/k/1/training/j/output/model.tar.gz",
}


@pytest.fixture
def request_of() -> RegisterRequest:
    return RegisterRequest.model_validate(PAYLOAD)


def test_a_version_waits_for_a_person(request_of: RegisterRequest) -> None:
    package = model_package(request_of, "demo-model-group", "ml.m5.large")
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateModelPackage").input_shape
    assert shape is not None
    validate_parameters(package, shape)


def test_the_client_token_comes_from_the_run_s_name(request_of: RegisterRequest) -> None:
    package = model_package(request_of, "demo-model-group", "ml.m5.large")
    assert package["ClientToken"] == client_token(PAYLOAD["run"]["name"])


def test_every_run_has_another_client_token_that_sagemaker_accepts() -> None:
    tokens = [client_token(f"demo-v1-0-0123456789-{attempt}") for attempt in (1, 2, 10, 10_000)]
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch(r"[a-zA-Z0-9-]{1,36}", token) for token in tokens)


def test_metadata_says_where_the_version_comes_from(request_of: RegisterRequest) -> None:
    described = metadata(request_of)
    assert described["dataset_version"] == "v1.0"
    assert described["image_digest"] == "sha256:t"
    assert described["execution_arn"] == PAYLOAD["execution_arn"]
    assert (described["rmse"], described["baseline_rmse"], described["r2"]) == (
        "2.14",
        "2.22",
        "1e-05",
    )


@pytest.mark.parametrize(
    ("told", "written"),
    [
        (
            {"commit": "c" * 40, "author": "Ada <ada@x.org>", "message": "fix(model): don't; 50 %"},
            {"commit": "c" * 40, "author": "Ada ada@x.org", "message": "fixmodel: dont 50"},
        ),
        ({"commit": "c" * 40, "message": "Größe 模型 ✓"}, {"message": "Größe 模型"}),
        ({"commit": None, "author": "", "message": "!!"}, {}),
        ({"message": "long " * 100}, {"message": ("long " * 100)[:256].strip()}),
        ({"message": "a\u2028b\x00\tc"}, {"message": "a b c"}),
    ],
)
def test_the_commit_is_written_as_far_as_the_service_s_alphabet_goes(
    told: dict[str, Any], written: dict[str, str]
) -> None:
    payload = {**PAYLOAD, "run": {**PAYLOAD["run"], **told}}
    described = metadata(RegisterRequest.model_validate(payload))
    names = {"commit", "author", "message"}
    found = {name: text for name, text in described.items() if name in names}
    assert found == ({"commit": "c" * 40} if told.get("commit") else {}) | written


def test_without_a_commit_a_version_is_registered_all_the_same(request_of: RegisterRequest) -> None:
    assert not {"commit", "author", "message"} & metadata(request_of).keys()


def test_a_failed_gate_is_written_on_the_version(request_of: RegisterRequest) -> None:
    described = metadata(request_of)
    assert (described["gate"], described["gate_mode"]) == ("failed", "report")
    assert described["gate_summary"].startswith("rmse is 4.61 expected at most 2.35 r2 is x")


def test_metadata_keeps_to_the_service_s_alphabet_and_lengths(request_of: RegisterRequest) -> None:
    described = metadata(request_of)
    assert len(described) <= 50
    for name, value in described.items():
        assert len(name) <= 128
        assert re.fullmatch(r"[A-Za-z0-9 _.:/=+@-]{1,256}", value), name


def test_the_version_number_is_the_last_part_of_the_arn() -> None:
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/demo-model-group/4"
    assert model_version(arn).version == 4
