"""Requests as botocore checks them, and what is made of the answers."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from endpoint_wait.gateway import describe
from model_registry.gateway import record_version
from model_test.gateway import predict
from prepare_run.gateway import RunGateway
from prepare_run.models import Claim
from shared import images
from shared.errors import DatasetInvalid, EvaluationInvalid, ModelTestFailed
from shared.evaluation_files import read_evaluation_file

Stub = Callable[[str], Stubber]
EXECUTION_ARN = "arn:aws:states:eu-west-1:111122223333:execution:m:e-1"


def body(content: bytes) -> dict[str, object]:
    stream = StreamingBody(io.BytesIO(content), len(content))
    return {"Body": stream, "ContentLength": len(content)}


@pytest.fixture
def gateway() -> RunGateway:
    return RunGateway("acme-data", "demo-model")


def test_the_manifest_is_read_in_the_version_of_the_event(stub: Stub, gateway: RunGateway) -> None:
    stub("s3").add_response(
        "get_object", body(b"{}"), {"Bucket": "acme-data", "Key": "v1/m", "VersionId": "one"}
    )
    assert gateway.manifest("v1/m", "one") == b"{}"


def test_a_manifest_that_is_gone_is_named(stub: Stub, gateway: RunGateway) -> None:
    stub("s3").add_client_error("get_object", "NoSuchVersion", http_status_code=404)
    with pytest.raises(DatasetInvalid, match="s3://acme-data/v1/m: not in the bucket any more"):
        gateway.manifest("v1/m", "one")


def test_a_manifest_that_never_was_is_named(stub: Stub, gateway: RunGateway) -> None:
    stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    with pytest.raises(DatasetInvalid, match="s3://acme-data/v1/m: not in the bucket. Upload"):
        gateway.manifest("v1/m", None)


def test_a_huge_manifest_is_not_read(stub: Stub, gateway: RunGateway) -> None:
    stub("s3").add_response("get_object", {"ContentLength": 10**9})
    with pytest.raises(DatasetInvalid, match="1000000000 bytes, expected at most"):
        gateway.manifest("v1/m", None)


def test_object_sizes_come_from_every_page(stub: Stub, gateway: RunGateway) -> None:
    pages = stub("s3")
    pages.add_response(
        "list_objects_v2",
        {
            "IsTruncated": True,
            "NextContinuationToken": "next",
            "Contents": [{"Key": "v1/train/a.csv", "Size": 1}],
        },
    )
    pages.add_response("list_objects_v2", {"Contents": [{"Key": "v1/train/b.csv", "Size": 2}]})
    assert gateway.object_sizes("v1/train/") == {"a.csv": 1, "b.csv": 2}


DIGEST = f"sha256:{'1' * 64}"


def test_an_image_is_looked_for_by_its_digest(stub: Stub, gateway: RunGateway) -> None:
    asked = {"repositoryName": "demo-model", "imageIds": [{"imageDigest": DIGEST}]}
    found = {"imageDetails": [{"imageDigest": DIGEST}]}
    stub("ecr").add_response("describe_images", found, asked)
    assert gateway.has_image(DIGEST)
    stub("ecr").add_client_error("describe_images", "ImageNotFoundException")
    assert not gateway.has_image(DIGEST)


def test_a_repository_that_may_not_be_asked_is_no_missing_image(
    stub: Stub, gateway: RunGateway
) -> None:
    stub("ecr").add_client_error("describe_images", "AccessDeniedException", "no")
    with pytest.raises(ClientError, match="no"):
        gateway.has_image(DIGEST)


def test_a_parameter_that_does_not_exist_names_no_image(stub: Stub, gateway: RunGateway) -> None:
    asked = {"Name": "/demo/dev/image"}
    stub("ssm").add_response("get_parameter", {"Parameter": {"Value": '{"a": 1}'}}, asked)
    assert gateway.published_images("/demo/dev/image") == '{"a": 1}'
    stub("ssm").add_client_error("get_parameter", "ParameterNotFound", expected_params=asked)
    assert gateway.published_images("/demo/dev/image") is None


def test_a_parameter_that_may_not_be_read_is_no_missing_image(
    stub: Stub, gateway: RunGateway
) -> None:
    for operation in ("get_parameter", "get_parameter_history"):
        stub("ssm").add_client_error(operation, "AccessDeniedException", "not allowed")
    with pytest.raises(ClientError, match="not allowed"):
        gateway.published_images("/demo/dev/image")
    with pytest.raises(ClientError, match="not allowed"):
        images.first_published("/demo/dev/image")


def test_who_trains_a_data_set_is_claimed_beside_the_run_keys(
    stub: Stub, gateway: RunGateway
) -> None:
    s3 = stub("s3")
    s3.add_response("list_objects_v2", {}, {"Bucket": "acme-data", "Prefix": "runs/abc/attempts/"})
    wanted = {
        "Bucket": "acme-data",
        "Key": "runs/abc/attempts/1.json",
        "Body": b'{"execution_arn": "e"}',
        "ContentType": "application/json",
        "IfNoneMatch": "*",
    }
    s3.add_response("put_object", {}, wanted)
    gateway.note_taker("sha256:abc", "e")


def test_the_newest_claim_is_that_with_the_highest_number(stub: Stub, gateway: RunGateway) -> None:
    keys = [f"runs/k/attempts/{number}.json" for number in (1, 10, 9)]
    contents = [{"Key": key, "Size": 1} for key in keys]
    stub("s3").add_response("list_objects_v2", {"Contents": contents})
    stub("s3").add_response(
        "get_object",
        body(json.dumps({"execution_arn": "e"}).encode()),
        {"Bucket": "acme-data", "Key": "runs/k/attempts/10.json"},
    )
    assert gateway.newest_claim("k") == Claim(attempt=10, execution_arn="e")


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_claim_is_lost_to_a_faster_one(stub: Stub, gateway: RunGateway, code: str) -> None:
    stub("s3").add_client_error(
        "put_object",
        code,
        expected_params={
            "Bucket": "acme-data",
            "Key": "runs/k/attempts/1.json",
            "Body": b'{"execution_arn": "e"}',
            "ContentType": "application/json",
            "IfNoneMatch": "*",
        },
    )
    assert gateway.claim("k", 1, "e") is False


def test_a_run_key_without_version_is_registered_by_nobody(stub: Stub, gateway: RunGateway) -> None:
    stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    assert gateway.version_record("k") is None


def test_an_execution_has_a_status_until_it_is_forgotten(stub: Stub, gateway: RunGateway) -> None:
    answer = {
        "executionArn": EXECUTION_ARN,
        "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:m",
        "status": "PENDING_REDRIVE",
        "startDate": datetime(2026, 5, 4, tzinfo=UTC),
    }
    stub("step_functions").add_response("describe_execution", answer)
    assert gateway.status(EXECUTION_ARN) == "PENDING_REDRIVE"
    stub("step_functions").add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert gateway.status(EXECUTION_ARN) is None


def test_an_absent_endpoint_is_none(stub: Stub) -> None:
    stub("sagemaker").add_client_error(
        "describe_endpoint", "ValidationException", 'Could not find endpoint "arn:aws:x".'
    )
    assert describe("demo-staging") is None


def test_other_errors_of_the_endpoint_are_not_swallowed(stub: Stub) -> None:
    stub("sagemaker").add_client_error("describe_endpoint", "AccessDeniedException", "denied")
    with pytest.raises(ClientError, match="denied"):
        describe("demo-staging")


@pytest.mark.parametrize(
    ("known", "earlier"),
    [
        (None, []),
        ({"execution_arn": "e", "model_package_arn": "m"}, []),
        ({"execution_arn": "e", "model_package_arn": "m", "earlier": ["d"]}, ["d"]),
        ({"execution_arn": "d", "model_package_arn": "l"}, ["d"]),
        ({"execution_arn": "d", "model_package_arn": "l", "earlier": ["c", "e"]}, ["d", "c"]),
    ],
)
def test_the_version_record_names_package_and_all_executions(
    stub: Stub, known: dict[str, object] | None, earlier: list[str]
) -> None:
    place = {"Bucket": "acme-data", "Key": "runs/k/version.json"}
    if known is None:
        stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    else:
        stub("s3").add_response("get_object", body(json.dumps(known).encode()), place)
    record = {"earlier": earlier, "execution_arn": "e", "model_package_arn": "m"}
    written = {"Body": json.dumps(record).encode(), "ContentType": "application/json"}
    stub("s3").add_response("put_object", {}, place | written)
    record_version("acme-data", "k", model_package_arn="m", execution_arn="e")


def test_an_evaluation_that_was_not_written_is_named(stub: Stub) -> None:
    stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    with pytest.raises(EvaluationInvalid, match="s3://b/e/evaluation.json: the evaluation job"):
        read_evaluation_file("s3://b/e/evaluation.json")


def test_an_endpoint_that_may_not_be_asked_is_no_failed_model_test(stub: Stub) -> None:
    stub("sagemaker_runtime").add_client_error("invoke_endpoint", "AccessDeniedException", "no")
    with pytest.raises(ClientError, match="no"):
        predict("demo-staging", "M,1\n", "text/csv")


def test_a_refusal_of_the_container_shows_its_words(stub: Stub) -> None:
    stub("sagemaker_runtime").add_client_error(
        "invoke_endpoint",
        "ModelError",
        http_status_code=424,
        modeled_fields={
            "OriginalStatusCode": 400,
            "OriginalMessage": "line 3: expected 8 features, got 7",
        },
    )
    with pytest.raises(ModelTestFailed, match="answered 400: line 3: expected 8 features, got 7"):
        predict("demo-staging", "M,1\n", "text/csv")
