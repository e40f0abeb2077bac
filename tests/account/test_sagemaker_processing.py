"""Processing jobs through boto3: inputs, outputs, exit message and failure."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.sagemaker_fixture import DirectLab, Lab, direct, lab, until

__all__ = ["direct", "lab"]  # fixtures


def _outputs(lab: Lab, name: str) -> dict[str, bytes]:
    s3 = lab.client("s3")
    found = s3.list_objects_v2(Bucket=lab.bucket, Prefix=f"{name}/").get("Contents", [])
    return {
        item["Key"].partition("/")[2]: s3.get_object(Bucket=lab.bucket, Key=item["Key"])[
            "Body"
        ].read()
        for item in found
    }


def test_a_job_that_completes(direct: DirectLab) -> None:
    name = f"process-{direct.plane.isolation}"
    job = direct.process(direct.processing_request(name, MESSAGE="4 rows\n"))
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Completed", "4 rows")
    assert "FailureReason" not in job
    outputs = _outputs(direct, name)
    assert set(outputs) == {
        "_MANIFEST.json", "train.csv", "more.csv", "v.csv", "config.json", "arguments.json",
    }  # fmt: skip
    assert json.loads(outputs["arguments.json"]) == ["validate", "--strict"]
    assert list(json.loads(outputs["config.json"])) == [
        "ProcessingJobArn", "ProcessingJobName", "AppSpecification", "Environment",
        "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "RoleArn",
        "StoppingCondition",
    ]  # fmt: skip


def test_a_job_that_fails(direct: DirectLab) -> None:
    name = f"fails-{direct.plane.isolation}"
    job = direct.process(
        direct.processing_request(name, EXIT="1", MESSAGE="m" * 150, MESSAGE_TIMES="10")
    )
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert job["ExitMessage"] == "m" * 1024
    assert _outputs(direct, name) == {}
    until(lambda: True if len(direct.emitted) == 2 else None)
    detail_type, _, detail = direct.emitted[1]
    assert detail_type == "SageMaker Processing Job State Change"
    assert detail["ProcessingInputs"][0]["S3Input"]["S3DataType"] == "S3_PREFIX"
    output = detail["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]
    assert output["S3UploadMode"] == "END_OF_JOB"
    assert detail["ExperimentConfig"] == {}
    assert "ExitMessage" not in detail


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (
            "no-input",
            lambda request: request["ProcessingInputs"][0]["S3Input"].update(S3Uri="s3://no/x"),
            'ClientError: No S3 objects found under S3 URL "s3://no/x"',
        ),
        (
            "no-image",
            lambda request: request["AppSpecification"].update(ImageUri="python:3.11"),
            "ClientError: API error (404): manifest for python:3.11 not found: manifest unknown",
        ),
    ],
)
def test_what_is_missing_fails_the_job(lab: Lab, name: str, change: Any, expected: str) -> None:
    request = lab.processing_request(name)
    change(request)
    job = lab.process(request)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(expected)


def test_a_job_that_is_stopped(lab: Lab) -> None:
    lab.client("sagemaker").create_processing_job(**lab.processing_request("stop", SLEEP="60"))
    lab.client("sagemaker").stop_processing_job(ProcessingJobName="stop")
    job = lab.ended_processing("stop")
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "FailureReason" not in job


def test_a_job_that_runs_too_long(lab: Lab) -> None:
    request = lab.processing_request("slow", SLEEP="60", MESSAGE="so far")
    job = lab.process(request | {"StoppingCondition": {"MaxRuntimeInSeconds": 1}})
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Stopped", "so far")


def test_refusals(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    lab.process(lab.processing_request("once"))
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match="Processing job names must be"):
        sagemaker.create_processing_job(**lab.processing_request("once"))
    with pytest.raises(ClientError, match='Could not find requested job with name: "unknown"'):
        sagemaker.describe_processing_job(ProcessingJobName="unknown")
    outside = lab.processing_request("outside")
    outside["ProcessingInputs"][0]["S3Input"]["LocalPath"] = "/opt/ml/processing/../../etc"
    with pytest.raises(ClientError, match="must be under /opt/ml/processing/"):
        sagemaker.create_processing_job(**outside)
