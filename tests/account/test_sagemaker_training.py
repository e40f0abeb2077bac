"""Training jobs through boto3: their files, their ends, and what AWS says of them."""

import io
import json
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.services.sagemaker.jobs import Jobs
from tests.account.sagemaker_fixture import ROLE, DirectLab, Lab, direct, lab, until

__all__ = ["direct", "lab"]  # fixtures


def _refused(lab: Lab, operation: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        getattr(lab.client("sagemaker"), operation)(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def _artifact(lab: Lab, name: str, archive: str) -> dict[str, bytes]:
    key = f"out/{name}/output/{archive}.tar.gz"
    body = lab.client("s3").get_object(Bucket=lab.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar]
        return {name: file.read() for name, file in members if file}


def test_a_job_that_completes(direct: DirectLab) -> None:
    name = f"completes-{direct.plane.isolation}"
    job = direct.train(name, print="a|rmse=3.5|rmse=2.25")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("validation:rmse", 2.25)
    assert "FailureReason" not in job
    assert _artifact(direct, name, "model") == {"model.txt": b"1"}
    assert direct.log("/aws/sagemaker/TrainingJobs", f"{name}/algo-1-") == [
        "a", "rmse=3.5", "rmse=2.25",
    ]  # fmt: skip


def test_files_and_environment_of_a_container(direct: DirectLab) -> None:
    name = f"files-{direct.plane.isolation}"
    direct.train(name)
    output = _artifact(direct, name, "output")
    seen = json.loads(output["seen.json"])
    assert "input/data/train/train.csv" in seen
    assert "input/data/train/deep/more.csv" in seen
    environment = json.loads(output["environment.json"])
    assert environment["TRAINING_JOB_NAME"] == name
    assert environment["FROM_IMAGE"] == "yes"
    assert environment["AWS_ENDPOINT_URL"] == direct.account.url
    assert "ABALONE_DATA" not in environment


def test_events_of_a_job_that_fails(direct: DirectLab) -> None:
    name = f"events-{direct.plane.isolation}"
    direct.train(name, exit="3", failure="ValueError: no column|in train")
    until(lambda: True if len(direct.emitted) == 2 else None)
    (_, _, first), (detail_type, arn, detail) = direct.emitted
    assert first["TrainingJobStatus"] == "InProgress"
    assert detail_type == "SageMaker Training Job State Change"
    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"
    assert detail["FailureReason"] == (
        "AlgorithmError: ValueError: no column\nin train, exit code: 3"
    )
    assert set(detail) == {
        "TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus",
        "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig",
        "OutputDataConfig", "ResourceConfig", "StoppingCondition", "CreationTime",
        "LastModifiedTime", "SecondaryStatusTransitions", "Tags", "FailureReason",
        "TrainingStartTime", "TrainingEndTime",
    }  # fmt: skip
    assert isinstance(detail["CreationTime"], int)


def test_configuration_files(lab: Lab) -> None:
    lab.train("config-files", max_depth="6")
    base = lab.account.log.parent / "state/jobs/training/config-files/ml/input/config"
    config = {path.stem: json.loads(path.read_text()) for path in base.iterdir()}
    host = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.xlarge"}
    assert config == {
        "hyperparameters": {"max_depth": "6"},
        "inputdataconfig": {
            "train": {
                "ContentType": "text/csv",
                "RecordWrapperType": "None",
                "S3DistributionType": "FullyReplicated",
                "TrainingInputMode": "File",
            }
        },
        "resourceconfig": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.xlarge",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [{**host, "hosts": ["algo-1"]}],
            "network_interface_name": "eth0",
            "topology": None,
        },
    }


def test_a_job_that_fails_says_why_and_exports_what_it_made(lab: Lab) -> None:
    job = lab.train("fails", exit="1", failure="x" * 2000)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == f"AlgorithmError: {'x' * 2000}"[:1024]
    assert _artifact(lab, "fails", "model") == {"model.txt": b"1"}


def test_a_job_that_fails_without_a_word(lab: Lab) -> None:
    assert lab.train("silent", exit="9")["FailureReason"] == "AlgorithmError: , exit code: 9"


def test_stop(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    sagemaker.create_training_job(**lab.training_request("stopped", sleep="60", print="ready"))
    log = lab.account.log.parent / "state/jobs/training/stopped/container.log"
    until(lambda: log.exists() and "ready" in log.read_text() or None)
    sagemaker.stop_training_job(TrainingJobName="stopped")
    job = lab.ended_training("stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]][-3:] == [
        "Stopping", "Uploading", "Stopped",
    ]  # fmt: skip
    assert _refused(lab, "stop_training_job", TrainingJobName="stopped") == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def test_a_job_that_runs_too_long_is_killed_if_need_be(
    direct: DirectLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "stop_grace_seconds", 0.2)
    name = f"too-long-{direct.plane.isolation}"
    request = direct.training_request(name, sleep="60", ignore_sigterm="1")
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 1
    direct.client("sagemaker").create_training_job(**request)
    job = direct.ended_training(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    transitions = job["SecondaryStatusTransitions"]
    assert [t["Status"] for t in transitions][2:] == [
        "Training", "Stopping", "Uploading", "MaxRuntimeExceeded",
    ]  # fmt: skip
    assert transitions[-1]["StatusMessage"] == (
        "Training job runtime exceeded MaxRuntimeInSeconds provided"
    )


def test_network_isolation(direct: DirectLab) -> None:
    name = f"isolated-{direct.plane.isolation}"
    request = direct.training_request(name, connect=direct.account.url.partition("//")[2])
    direct.client("sagemaker").create_training_job(**request, EnableNetworkIsolation=True)
    job = direct.ended_training(name)
    # a plain process reaches the network, as its documentation says, but has no credentials
    isolated = {"bwrap": "AlgorithmError: , exit code: 1", "process": None}
    assert job.get("FailureReason") == isolated[direct.plane.isolation]
    environment = json.loads(_artifact(direct, name, "output")["environment.json"])
    assert not any(name.startswith("AWS_") for name in environment)


def test_names_are_unique(lab: Lab) -> None:
    lab.train("twice")
    assert _refused(lab, "create_training_job", **lab.training_request("twice")) == (
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job "
        "with this name already exists "
        "(arn:aws:sagemaker:us-east-1:123456789012:training-job/twice)",
    )


@pytest.mark.parametrize("name", ["-a", "a_b", "a" * 64])
def test_names_that_are_refused(lab: Lab, name: str) -> None:
    code, message = _refused(lab, "create_training_job", **lab.training_request(name))
    assert code == "ValidationException"
    assert "at 'trainingJobName' failed to satisfy constraint" in message


def test_unknown_job(lab: Lab) -> None:
    for operation in ("describe_training_job", "stop_training_job"):
        refusal = _refused(lab, operation, TrainingJobName="unknown")
        assert refusal == ("ValidationException", "Requested resource not found.")


def test_missing_data_is_refused_at_once(lab: Lab) -> None:
    request = lab.training_request("no-data")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3Uri"] = f"s3://{lab.bucket}/nothing/"
    code, message = _refused(lab, "create_training_job", **request)
    assert code == "ValidationException"
    assert message.startswith(f'No S3 objects found under S3 URL "s3://{lab.bucket}/nothing/"')


def test_missing_image_is_refused_at_once(lab: Lab) -> None:
    request = lab.training_request("no-image")
    image = request["AlgorithmSpecification"]["TrainingImage"] = f"{lab.image[:-4]}0000"
    assert _refused(lab, "create_training_job", **request) == (
        "ValidationException",
        f"Cannot find the requested image: {image}",
    )


def test_what_is_not_modelled_is_refused_by_name(lab: Lab) -> None:
    checkpoints = {"S3Uri": f"s3://{lab.bucket}/checkpoints"}
    request = {**lab.training_request("resumed"), "CheckpointConfig": checkpoints}
    code, message = _refused(lab, "create_training_job", **request)
    assert (code, "CheckpointConfig" in message) == ("UnsupportedOperation", True)


def test_a_spot_job_runs_and_says_how_long_it_may_wait(lab: Lab) -> None:
    request = {**lab.training_request("spot"), "EnableManagedSpotTraining": True}
    for waits in ({}, {"MaxWaitTimeInSeconds": 3599}):
        request["StoppingCondition"] = {"MaxRuntimeInSeconds": 3600, **waits}
        code, message = _refused(lab, "create_training_job", **request)
        assert (code, "MaxWaitTimeInSeconds" in message) == ("ValidationException", True)
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600}
    lab.client("sagemaker").create_training_job(**request)
    job = lab.ended_training("spot")
    assert (job["TrainingJobStatus"], job["EnableManagedSpotTraining"]) == ("Completed", True)
    assert job["BillableTimeInSeconds"] >= 1


def test_a_network_and_tags_are_kept(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    vpc = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "Subnets": ["subnet-0123456789abcdef0"]}
    tags = {"Tags": [{"Key": "owner", "Value": "mlops"}]}
    training = {**lab.training_request("in-vpc"), "VpcConfig": vpc, **tags}
    processing = {**lab.processing_request("in-vpc"), "NetworkConfig": {"VpcConfig": vpc}, **tags}
    container: dict[str, Any] = {"ModelName": "in-vpc", "PrimaryContainer": {"Image": lab.image}}
    model = {**container, "ExecutionRoleArn": ROLE, "VpcConfig": vpc, **tags}
    arns = [
        sagemaker.create_training_job(**training)["TrainingJobArn"],
        sagemaker.create_processing_job(**processing)["ProcessingJobArn"],
        sagemaker.create_model(**model)["ModelArn"],
    ]
    variant = {"VariantName": "AllTraffic", "ModelName": "in-vpc", "InstanceType": "ml.m5.large"}
    named = {"EndpointConfigName": "in-vpc"}
    variants = {"ProductionVariants": [{**variant, "InitialInstanceCount": 1}], **tags}
    arns.append(sagemaker.create_endpoint_config(**named, **variants)["EndpointConfigArn"])
    group = {"ModelPackageGroupName": "in-vpc"}
    arns.append(sagemaker.create_model_package_group(**group, **tags)["ModelPackageGroupArn"])
    for arn in arns:
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags["Tags"]
    assert sagemaker.describe_model(ModelName="in-vpc")["VpcConfig"] == vpc
    assert lab.ended_training("in-vpc")["VpcConfig"] == vpc
    assert lab.ended_processing("in-vpc")["NetworkConfig"]["VpcConfig"] == vpc
    no_vpc: dict[str, Any] = {"VpcConfig": {**vpc, "Subnets": ["no subnet"]}}
    unlike = {**model, "ModelName": "unlike", **no_vpc}
    assert "vpcConfig.subnets.1.member" in _refused(lab, "create_model", **unlike)[1]


def test_a_manifest_as_input(lab: Lab) -> None:
    manifest = [{"prefix": f"s3://{lab.bucket}/v1.0/"}, "train/train.csv", "validation/v.csv"]
    lab.client("s3").put_object(Bucket=lab.bucket, Key="list", Body=json.dumps(manifest))
    request = lab.training_request("manifest")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source.update(S3DataType="ManifestFile", S3Uri=f"s3://{lab.bucket}/list")
    lab.client("sagemaker").create_training_job(**request)
    lab.ended_training("manifest")
    seen = json.loads(_artifact(lab, "manifest", "output")["seen.json"])
    assert [path for path in seen if path.startswith("input/data")] == [
        "input/data/train/train/train.csv",
        "input/data/train/validation/v.csv",
    ]


def test_jobs_are_listed_in_pages(lab: Lab) -> None:
    for number in range(3):
        lab.train(f"listed-{number}")
    lab.train("listed-not", exit="1")
    pages = lab.client("sagemaker").get_paginator("list_training_jobs")
    found = pages.paginate(
        NameContains="listed",
        StatusEquals="Completed",
        SortBy="Name",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 2},
    )
    assert [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in found] == [
        ["listed-2", "listed-1"],
        ["listed-0"],
    ]


def test_tags(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    tags = [{"Key": "project", "Value": "demo"}]
    created = sagemaker.create_training_job(**lab.training_request("tagged"), Tags=tags)
    arn = created["TrainingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "more", "Value": "1"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["project"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "more", "Value": "1"}]
    assert _refused(lab, "list_tags", ResourceArn=f"{arn}-x")[0] == "ValidationException"
    lab.ended_training("tagged")
