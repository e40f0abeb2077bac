"""Handlers parse, call and return; what they import needs no environment."""

import ast
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from endpoint_wait.handler import handler as endpoint_wait
from evaluation_reader.handler import handler as evaluation_reader
from explain_failure.handler import handler as explain_failure
from model_registry.handler import handler as model_registry
from model_test.handler import handler as model_test
from prepare_run.handler import handler as prepare_run
from shared.errors import EnvironmentInvalid, EventInvalid, ServiceUnavailable

LAMBDAS = Path(__file__).resolve().parents[3] / "lambdas"
HANDLERS = sorted(path.parent.name for path in LAMBDAS.glob("*/handler.py"))
KEY = "0123456789abcdef" * 4
Stub = Callable[[str], Stubber]
Event = Callable[[str], Any]
SetEnvironment = Callable[..., None]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def content(document: Any) -> dict[str, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)}


def test_prepare_run_claims_the_run_of_an_uploaded_manifest(
    stub: Stub, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(
        PROJECT_NAME="demo",
        DEPLOYMENT_ID="d-1",
        BUCKET_NAME="acme-data",
        REPOSITORY_NAME="demo-model",
        REPOSITORY_URI="host/demo-model",
        IMAGE_PARAMETER_NAME="/demo/dev/image",
    )
    files = [
        {"key": "train/t.csv", "sha256": "a" * 64, "size": 1},
        {"key": "validation/v.csv", "sha256": "b" * 64, "size": 2},
    ]
    s3 = stub("s3")
    s3.add_response("get_object", content({"schema": 1, "version": "v1.0", "files": files}))
    listed = [{"Key": f"v1.0/{file['key']}", "Size": file["size"]} for file in files]
    s3.add_response("list_objects_v2", {"Contents": listed})
    s3.add_response("list_objects_v2", {})
    s3.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    s3.add_response("put_object", {})
    s3.add_response("list_objects_v2", {})  # who trained the data set before: nobody
    s3.add_response("put_object", {})
    digests = [f"sha256:{digit * 64}" for digit in "12"]
    uris = [f"host/demo-model@{digest}" for digest in digests]
    images = {"training": uris[0], "processing": uris[1], "commit": "c" * 40}
    stub("ssm").add_response("get_parameter", {"Parameter": {"Value": json.dumps(images)}})
    for digest in digests:
        stub("ecr").add_response("describe_images", {"imageDetails": [{"imageDigest": digest}]})
    run = prepare_run(
        {
            "execution_arn": "mine",
            "request": {"trigger": "upload", "dataset": "v1.0", "manifest_version_id": "m-1"},
            "hyperparameters": {},
        },
        context,
    )
    assert (run["status"], run["attempt"], run["commit"]) == ("New", 1, "c" * 40)
    json.dumps(run)


def test_prepare_run_of_an_empty_bucket_ends_without_a_run(
    stub: Stub,
    environment: SetEnvironment,
    context: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment(
        PROJECT_NAME="demo",
        DEPLOYMENT_ID="d-1",
        BUCKET_NAME="acme-data",
        REPOSITORY_NAME="demo-model",
        REPOSITORY_URI="host/demo-model",
        IMAGE_PARAMETER_NAME="/demo/dev/image",
    )
    stub("s3").add_response("list_objects_v2", {})
    asked = {"trigger": "code", "dataset": None}
    event = {"execution_arn": "mine", "request": asked, "hyperparameters": {}}
    assert prepare_run(event, context)["status"] == "NothingToTrain"
    assert '"RunsNothingToTrain":[1' in capsys.readouterr().out


def test_read_evaluation_returns_the_figures(
    stub: Stub, event: Event, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment()
    stub("s3").add_response("get_object", content(event("evaluation")))
    evaluation = evaluation_reader(
        {"evaluation_uri": "s3://b/e", "limits": {"rmse": {"max": 2.35}}}, context
    )
    assert evaluation["metrics"]["rmse"] == 2.14


def test_register_model_version_records_the_version(
    stub: Stub, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(BUCKET_NAME="b", MODEL_PACKAGE_GROUP_NAME="g", INSTANCE_TYPE="ml.m5.large")
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/g/3"
    stub("sagemaker").add_response("create_model_package", {"ModelPackageArn": arn})
    record = {
        "Bucket": "b",
        "Key": f"runs/{KEY}/version.json",
        "Body": ANY,
        "ContentType": "application/json",
    }
    stub("s3").add_client_error("get_object", "NoSuchKey", http_status_code=404)
    stub("s3").add_response("put_object", {}, record)
    run = {
        "run_key": KEY,
        "attempt": 1,
        "name": "demo-v1-0-0123456789-1",
        "dataset": {"version": "v1.0", "digest": f"sha256:{KEY}"},
        "image": {"training": "host/m@sha256:t", "processing": "host/m@sha256:p"},
        "settings_digest": f"sha256:{KEY}",
    }
    evaluation = {"metrics": {"rmse": 2.1}, "model_sha256": KEY, "evaluation_uri": "s3://b/e"}
    version = model_registry(
        {
            "execution_arn": "arn:aws:states:eu-west-1:111122223333:execution:m:e-1",
            "run": run,
            "evaluation": evaluation,
            "gate": {"verdict": "passed", "mode": "enforce", "summary": "rmse is 2.1"},
            "model_data_url": "s3://b/model.tar.gz",
        },
        context,
    )
    assert version == {"model_package_arn": arn, "version": 3}


def test_find_endpoint_then_wait_for_it(
    stub: Stub, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(ENDPOINT_NAME="demo-staging", ENDPOINT_TIMEOUT_SECONDS="600")
    sagemaker = stub("sagemaker")
    missing = "Could not find endpoint"
    sagemaker.add_client_error("describe_endpoint", "ValidationException", missing)
    endpoint = endpoint_wait({"endpoint_config_name": "c"}, context)
    assert (endpoint["action"], endpoint["former_config"]) == ("Create", None)
    now = datetime.now(UTC)
    described = {
        "EndpointName": "demo-staging",
        "EndpointArn": "arn:aws:sagemaker:eu-west-1:111122223333:endpoint/demo-staging",
        "EndpointStatus": "InService",
        "EndpointConfigName": "c",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    sagemaker.add_response("describe_endpoint", described)
    seen = endpoint_wait({"endpoint_config_name": "c", "endpoint": endpoint}, context)
    assert seen["status"] == "InService"


def test_test_model_sends_the_rows_through_the_endpoint(
    stub: Stub, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(ENDPOINT_NAME="demo-staging")
    document = {
        "content_type": "text/csv",
        "rows": ["M,1", "F,2"],
        "labels": [1.0, 2.0],
        "predictions": [1.0, 3.0],
        "metrics": {"mae": 0.5},
    }
    stub("s3").add_response("get_object", content(document))
    stub("sagemaker_runtime").add_response(
        "invoke_endpoint",
        {"Body": content(b"1.0\n3.0\n")["Body"]},
        {
            "EndpointName": "demo-staging",
            "Body": b"M,1\nF,2",
            "ContentType": "text/csv",
            "Accept": "text/csv",
        },
    )
    result = model_test({"model_test_uri": "s3://b/e", "tolerance": 1e-4}, context)
    assert result == {"rows": 2, "metrics": {"mae": 0.5}, "largest_difference": 0.0}


def test_explain_failure_names_the_error(
    event: Event, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(
        ENVIRONMENT_NAME="dev",
        ENDPOINT_NAME="demo-staging",
        LOG_GROUPS='{"PrepareRunLambda": "logs"}',
    )
    caught = {
        "Error": "States.TaskFailed",
        "Cause": json.dumps(event("training_job_failed")),
    }
    # What the input brings along stands before what the catcher wrote.
    kept = {"PrepareRun": {"Error": "Forged"}, "TrainModel": caught}
    state: dict[str, Any] = {"version": "0", "run": {"name": "x"}, "failed": kept}
    failure = explain_failure({"execution_arn": "mine", "state": state}, context)
    assert failure["error"] == "TrainingJobFailed"
    assert "Duplicate" not in failure["cause"]


def test_a_failure_after_registration_says_what_becomes_of_the_version(
    environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(ENVIRONMENT_NAME="dev", ENDPOINT_NAME="demo-staging", LOG_GROUPS="{}")
    version = {"model_package_arn": "arn:package/3", "version": 3}
    event = {"version": "0", "bucket": {"name": "b"}}  # S3's own version is in the state as well
    state = event | {
        "registered": version,
        "failed": {"UpdateEndpoint": {"Error": "E", "Cause": "refused"}},
    }
    cause = explain_failure({"execution_arn": "arn:m:e-1", "state": state}, context)["cause"]
    assert "arn:package/3 is rejected with this run" in cause
    assert "To try again: .venv/bin/mlops runs retry e-1." in cause


def test_a_malformed_event_is_a_named_error_that_names_the_field(
    environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(ENDPOINT_NAME="demo-staging", ENDPOINT_TIMEOUT_SECONDS="600")
    with pytest.raises(EventInvalid, match="EndpointWaitRequest: endpoint_config_name: Field"):
        endpoint_wait({}, context)


def test_a_missing_variable_is_a_named_error_that_names_it(
    environment: SetEnvironment, context: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment()
    monkeypatch.delenv("ENDPOINT_NAME", raising=False)
    with pytest.raises(EnvironmentInvalid, match="Environment variable ENDPOINT_NAME: Field"):
        model_test({"model_test_uri": "s3://b/e", "tolerance": 1e-4}, context)


def test_an_outage_has_the_name_that_is_retried_and_a_refusal_has_not(
    stub: Stub, environment: SetEnvironment, context: SimpleNamespace
) -> None:
    environment(ENDPOINT_NAME="demo-staging", ENDPOINT_TIMEOUT_SECONDS="600")
    sagemaker = stub("sagemaker")
    sagemaker.add_client_error("describe_endpoint", "ThrottlingException")
    with pytest.raises(ServiceUnavailable, match="ThrottlingException.*try again later"):
        endpoint_wait({"endpoint_config_name": "c"}, context)
    sagemaker.add_client_error("describe_endpoint", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        endpoint_wait({"endpoint_config_name": "c"}, context)


STATES = ("prepare_run", "evaluation_reader", "model_registry", "staging_lock", "endpoint_wait")


@pytest.mark.parametrize("name", [*STATES, "model_test"])
def test_every_state_s_lambda_names_outages(name: str) -> None:
    assert "@named_outages()" in (LAMBDAS / name / "handler.py").read_text()


def test_handlers_import_without_any_environment() -> None:
    imports = "; ".join(f"import {name}.handler" for name in HANDLERS)
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(LAMBDAS)}
    subprocess.run([sys.executable, "-c", imports], env=bare, check=True)


@pytest.mark.parametrize("path", sorted(LAMBDAS.glob("*/logic.py")), ids=lambda p: p.parent.name)
def test_logic_imports_neither_the_sdk_nor_powertools_nor_a_gateway(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    for name in imported:
        assert not name.startswith(("boto", "aws_lambda_powertools", "shared.aws")), name
        assert not name.endswith(".gateway"), name
