"""The details of SageMaker's EventBridge events, field for field as AWS sends them."""

from datetime import UTC, datetime
from typing import Any

from local_account.services.sagemaker.plane import Plane, Record

# processing events spell the enumerations of inputs and outputs their own way
_SPELLING = {
    "S3Prefix": "S3_PREFIX",
    "ManifestFile": "MANIFEST_FILE",
    "File": "FILE",
    "FullyReplicated": "FULLYREPLICATED",
    "ShardedByS3Key": "SHARDEDBYS3KEY",
    "EndOfJob": "END_OF_JOB",
}
# defaults of a processing input, which its event does not tell
_NOT_OF_INPUTS = ("S3CompressionType", "S3DownloadMode")
# what Describe* has and the events do not
_LEFT_OUT = {
    "EnableNetworkIsolation",
    "Environment",
    "ExitMessage",
    "FinalMetricDataList",
    "ModelArtifacts",
    "ModelPackageDescription",
    "TrainingTimeInSeconds",
    "BillableTimeInSeconds",
    "ClientToken",
    "Tags",
}


def training_job_changed(plane: Plane, job: Record) -> None:
    """Tell the bus that a training job has a new status."""
    detail = {
        **_milliseconds(_public(job)),
        "SecondaryStatusTransitions": [],
        "Tags": plane.tags.get(job["TrainingJobArn"], {}),
        "FailureReason": job.get("FailureReason"),
    }
    plane.emit("SageMaker Training Job State Change", job["TrainingJobArn"], detail)


def processing_job_changed(plane: Plane, job: Record) -> None:
    """Tell the bus that a processing job has a new status."""
    detail = _milliseconds(_public(job))
    for member in ("ProcessingInputs", "ProcessingOutputConfig"):
        if member in detail:
            detail[member] = _respelled(detail[member])
    detail["ExperimentConfig"] = job.get("ExperimentConfig", {})
    plane.emit("SageMaker Processing Job State Change", job["ProcessingJobArn"], detail)


def endpoint_changed(plane: Plane, endpoint: Record) -> None:
    """Tell the bus that an endpoint has a new status; there it is IN_SERVICE, not InService."""
    status = "".join(f"_{c}" if c.isupper() else c.upper() for c in endpoint["EndpointStatus"])
    detail = {
        "EndpointName": endpoint["EndpointName"],
        "EndpointArn": endpoint["EndpointArn"],
        "EndpointConfigName": endpoint["EndpointConfigName"],
        "ProductionVariants": [
            {
                "DesiredWeight": float(variant["DesiredWeight"]),
                "DesiredInstanceCount": float(variant["DesiredInstanceCount"]),
            }
            for variant in endpoint.get("ProductionVariants", [])
        ],
        "EndpointStatus": status.lstrip("_"),
        "FailureReason": endpoint.get("FailureReason"),
        "CreationTime": int(endpoint["CreationTime"] * 1000),
        "LastModifiedTime": int(endpoint["LastModifiedTime"] * 1000),
        "Tags": plane.tags.get(endpoint["EndpointArn"], {}),
    }
    plane.emit("SageMaker Endpoint State Change", endpoint["EndpointArn"], detail)


def model_package_changed(plane: Plane, package: Record, updated: list[str] | None = None) -> None:
    """Tell the bus of a registration, or of an update with the members that it changed."""
    detail = _public(package)
    for member in ("CreationTime", "LastModifiedTime"):
        detail[member] = datetime.fromtimestamp(detail[member], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if updated:
        detail["UpdatedModelPackageFields"] = updated
    plane.emit("SageMaker Model Package State Change", package["ModelPackageArn"], detail)


def _public(record: Record) -> Record:
    return {name: value for name, value in record.items() if name not in _LEFT_OUT}


def _milliseconds(detail: Record) -> Record:
    return {
        name: int(value * 1000) if name.endswith("Time") else value
        for name, value in detail.items()
    }


def _respelled(value: Any) -> Any:
    if isinstance(value, dict):
        told = {name: each for name, each in value.items() if name not in _NOT_OF_INPUTS}
        return {name: _respelled(member) for name, member in told.items()}
    if isinstance(value, list):
        return [_respelled(member) for member in value]
    return _SPELLING.get(value, value)
