"""The deployed, unmodified state machine in an embedded account: what runs do, and why they end."""

import hashlib
import json
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Pipeline, deploy_training, with_model_code
from tests.e2e.images import publish, put_images, unpublish

APPROVAL = "PendingManualApproval"
FAILING_TRAINING = """
import xgboost

HYPERPARAMETERS = ()


def fit(features, label, feature_names, hyperparameters) -> xgboost.Booster:
    raise ValueError("the learning rate fell off the bench")
"""


def _changed_version(datasets: Path, folder: Path, version: str, line: str) -> Path:
    """Copy a version with one more training row, and a manifest that knows it."""
    shutil.copytree(datasets / version, folder)
    manifest = json.loads((folder / "_MANIFEST.json").read_text())
    entry = next(each for each in manifest["files"] if each["key"].startswith("train/"))
    file = folder / entry["key"]
    file.write_text(file.read_text() + line)
    entry |= {
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "size": file.stat().st_size,
    }
    manifest["version"] = folder.name
    (folder / "_MANIFEST.json").write_text(json.dumps(manifest))
    return folder


def test_an_upload_by_a_principal_that_may_only_put_objects_trains_registers_and_serves(
    pipeline: Pipeline,
) -> None:
    iam, bucket = pipeline.account.client("iam"), pipeline.outputs["BucketName"]
    iam.create_user(UserName="data-publisher")
    put = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [put]})
    iam.put_user_policy(UserName="data-publisher", PolicyName="put", PolicyDocument=document)
    key = iam.create_access_key(UserName="data-publisher")["AccessKey"]
    publisher = {
        **pipeline.account.environment,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }

    execution = pipeline.run(pipeline.datasets / "v1.0", "v1.0", publisher)

    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    states = [state for state in pipeline.states(execution) if not state.startswith("Is")]
    waits = ("WaitForEndpoint", "PauseBeforeNextLook")
    assert [state for state in states if state not in waits] == [
        "PrepareRun",
        "ValidateDataset",
        "TrainModel",
        "EvaluateModel",
        "ReadEvaluation",
        "CheckQuality",
        "RecordGatePassed",
        "CreateModel",
        "RegisterModelVersion",
        "BeginStaging",
        "AcquireStaging",
        "CreateEndpointConfig",
        "FindEndpoint",
        "CreateEndpoint",
        "TestModel",
        "RunSucceeded",
    ]
    version = pipeline.versions()[-1]
    metadata = version["CustomerMetadataProperties"]
    assert version["ModelApprovalStatus"] == APPROVAL
    assert metadata["dataset_version"] == "v1.0"
    assert metadata["execution_arn"] == execution["executionArn"]
    assert metadata["gate"] == "passed"
    assert float(metadata["rmse"]) <= 2.35
    assert "@sha256:" in version["InferenceSpecification"]["Containers"][0]["Image"]
    assert len(metadata["commit"]) == 40
    assert metadata["author"] == "Ada Test ada@example.org"
    assert metadata["message"] == "An image for a test"


def test_the_staging_endpoint_predicts_as_the_evaluation_did(pipeline: Pipeline) -> None:
    version = pipeline.versions()[-1]
    uri = version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    test_key = key.replace("evaluation.json", "model_test.json")
    test = json.loads(
        pipeline.account.client("s3").get_object(Bucket=bucket, Key=test_key)["Body"].read()
    )
    answer = pipeline.account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=pipeline.outputs["StagingEndpointName"],
        ContentType="text/csv",
        Body="\n".join(test["rows"][:50]),
    )
    predictions = [float(line) for line in answer["Body"].read().decode().split()]
    assert predictions == pytest.approx(test["predictions"][:50], abs=1e-6)


def test_the_same_manifest_again_trains_nothing(pipeline: Pipeline) -> None:
    sagemaker = pipeline.account.client("sagemaker")
    jobs = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    execution = pipeline.run(pipeline.datasets / "v1.0", "v1.0")
    assert execution["status"] == "SUCCEEDED"
    assert pipeline.states(execution) == ["PrepareRun", "IsRunNew", "Duplicate"]
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == jobs


def test_two_uploads_of_one_manifest_at_once_train_once(pipeline: Pipeline) -> None:
    folder, before = pipeline.datasets / "v1.0-retrain", set(pipeline.executions())
    versions = len(pipeline.versions())
    pipeline.upload(folder, "v1.0-retrain")
    pipeline.upload(folder, "v1.0-retrain")
    ended = pipeline.wait(before, count=2)
    assert [each["status"] for each in ended] == ["SUCCEEDED"] * 2
    last_states = sorted(pipeline.states(each)[-1] for each in ended)
    assert last_states == ["Duplicate", "RunSucceeded"]
    assert len(pipeline.versions()) == versions + 1


def test_with_the_rule_disabled_an_upload_starts_nothing(pipeline: Pipeline) -> None:
    events, before = pipeline.account.client("events"), pipeline.executions()
    rules = [rule["Name"] for rule in events.list_rules()["Rules"] if "Trigger" in rule["Name"]]
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        pipeline.upload(pipeline.datasets / "v1.1", "v1.1")
        time.sleep(2)
        assert pipeline.executions() == before
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)
    assert rules


def test_a_contract_violation_fails_the_run_with_file_line_and_column(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    line = "F,0.5,0.4,0.1,0.5,tasty,0.1,0.2,9\n"
    folder = _changed_version(pipeline.datasets, tmp_path / "v2-bad", "v1.0", line)
    jobs = pipeline.account.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    execution = pipeline.run(folder, "v2-bad")
    rows = len((folder / "train/train.csv").read_text().splitlines())
    assert (execution["status"], execution["error"]) == ("FAILED", "DatasetInvalid")
    assert f"train/train.csv line {rows} column 6" in execution["cause"]
    assert "found 'tasty'" in execution["cause"]
    assert pipeline.account.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == jobs


def test_a_file_that_is_not_as_its_manifest_says_fails_the_run_before_any_job(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    folder = _changed_version(pipeline.datasets, tmp_path / "v2-short", "v1.0", "")
    (folder / "train/train.csv").write_text("truncated\n")
    execution = pipeline.run(folder, "v2-short")
    assert (execution["status"], execution["error"]) == ("FAILED", "DatasetInvalid")
    assert "v2-short/train/train.csv" in execution["cause"]
    assert "ValidateDataset" not in pipeline.states(execution)


def test_a_training_job_that_fails_shows_its_cause_and_leaves_the_endpoint_serving(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    sagemaker, name = pipeline.account.client("sagemaker"), pipeline.outputs["StagingEndpointName"]
    serving = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    versions = len(pipeline.versions())
    put_images(pipeline, with_model_code(tmp_path, model=FAILING_TRAINING))

    execution = pipeline.run(pipeline.datasets / "v1.0", "v1.0")

    assert (execution["status"], execution["error"]) == ("FAILED", "TrainingJobFailed")
    assert "the learning rate fell off the bench" in execution["cause"]
    assert len(pipeline.versions()) == versions
    endpoint = sagemaker.describe_endpoint(EndpointName=name)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", serving)


def _random_model(folder: Path) -> Path:
    return with_model_code(folder, app="from model_code import model_random as model\n")


def test_in_report_mode_a_poor_model_is_registered_with_its_failed_gate(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    put_images(pipeline, _random_model(tmp_path))
    execution = pipeline.run(pipeline.datasets / "v1.0", "v1.0")
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert "RecordGateFailed" in pipeline.states(execution)
    version = pipeline.versions()[-1]
    assert version["CustomerMetadataProperties"]["gate"] == "failed"
    assert version["ModelApprovalStatus"] == APPROVAL


def test_a_commit_without_any_data_set_trains_nothing_and_succeeds(enforcing: Pipeline) -> None:
    """The first test of this pipeline: its bucket is empty."""
    execution = enforcing.ended(enforcing.start(None, trigger="code"))
    assert execution["status"] == "SUCCEEDED"
    assert enforcing.states(execution) == ["PrepareRun", "IsRunNew", "NothingToTrain"]


def test_in_enforce_mode_a_poor_model_ends_the_run_before_anything_is_created(
    enforcing: Pipeline, tmp_path: Path
) -> None:
    put_images(enforcing, _random_model(tmp_path))
    execution = enforcing.run(enforcing.datasets / "v1.0", "v1.0")
    assert (execution["status"], execution["error"]) == ("FAILED", "QualityGateFailed")
    assert "rmse" in execution["cause"]
    assert "2.35" in execution["cause"]
    sagemaker = enforcing.account.client("sagemaker")
    assert enforcing.versions() == []
    assert sagemaker.list_models()["Models"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_a_run_before_any_image_fails_with_what_to_do(enforcing: Pipeline) -> None:
    unpublish(enforcing)
    enforcing.upload(enforcing.datasets / "v1.0", "v1.0")
    execution = enforcing.ended(enforcing.start("v1.0"))
    assert (execution["status"], execution["error"]) == ("FAILED", "ImageMissing")
    assert "no image has been built yet" in execution["cause"]
    assert "mlops pipelines follow" in execution["cause"]
    assert "ValidateDataset" not in enforcing.states(execution)


def test_an_image_of_another_repository_trains_nothing(enforcing: Pipeline) -> None:
    uri = f"{enforcing.outputs['RepositoryUri']}-other@sha256:{64 * '1'}"
    image = {"training": uri, "processing": uri}
    execution = enforcing.ended(enforcing.start("v1.0", image=image))
    assert (execution["status"], execution["error"]) == ("FAILED", "ImageInvalid")
    assert uri in execution["cause"]


def test_an_image_that_is_gone_trains_nothing(enforcing: Pipeline) -> None:
    uri = f"{enforcing.outputs['RepositoryUri']}@sha256:{64 * '1'}"
    publish(enforcing, training=uri, processing=uri, commit=40 * "1")
    execution = enforcing.ended(enforcing.start("v1.0"))
    assert (execution["status"], execution["error"]) == ("FAILED", "ImageMissing")
    assert f"{uri}: named by parameter" in execution["cause"]


def test_a_changed_setting_takes_effect_with_the_next_deployment(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("stacks", "lambdas", "model_code"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in (".cache", "node_modules"):
        (tmp_path / name).symlink_to(ROOT / name)
    settings = (ROOT / "mlops.toml").read_text()
    changed = settings.replace("max = 2.35", "max = 2.0").replace("days = 7", "days = 30")
    (tmp_path / "mlops.toml").write_text(changed)

    deploy_training(pipeline.account, pipeline.env, tmp_path)

    machine = pipeline.account.client("stepfunctions").describe_state_machine(
        stateMachineArn=pipeline.outputs["StateMachineArn"]
    )
    checks = json.loads(machine["definition"])["States"]["CheckQuality"]["Choices"]
    limits = [check for choice in checks for check in choice.get("And", [])]
    assert {"Variable": "$.evaluation.metrics.rmse", "NumericLessThanEquals": 2.0} in limits
    groups = pipeline.account.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/aws/vendedlogs/states/{pipeline.name}-{pipeline.env}"
    )["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [30]


def test_destroy_takes_everything_away_that_is_not_retained(pipeline: Pipeline) -> None:
    """The last test of this pipeline: nothing of it is left."""
    pipeline.mlops("destroy", "--yes")
    client = pipeline.account.client
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert [
        stack["StackName"] for stack in stacks if f"-{pipeline.env}-" in stack["StackName"]
    ] == []
    sagemaker = client("sagemaker")
    named = {"NameContains": f"{pipeline.name}-"}
    assert sagemaker.list_endpoints(**named)["Endpoints"] == []
    assert sagemaker.list_endpoint_configs(**named)["EndpointConfigs"] == []
    assert sagemaker.list_models(**named)["Models"] == []
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    assert pipeline.outputs["BucketName"] not in buckets
    repositories = client("ecr").describe_repositories()["repositories"]
    assert pipeline.outputs["RepositoryName"] not in [r["repositoryName"] for r in repositories]
    functions = client("lambda").list_functions()["Functions"]
    assert [f for f in functions if f["FunctionName"].startswith(pipeline.name)] == []
