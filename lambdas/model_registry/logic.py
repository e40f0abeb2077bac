"""What a model version says of itself."""

import hashlib
import re
from typing import Any

from model_registry.models import ModelVersion, RegisterRequest

CLIENT_TOKEN_LENGTH = 36
METADATA_LENGTH = 256
# SageMaker accepts letters, digits, spaces and _.:/=+-@ in metadata.
_NOT_METADATA = re.compile(r"[^A-Za-z0-9 _.:/=+@-]+")
CONTENT_TYPE = "text/csv"


def model_package(request: RegisterRequest, group_name: str, instance_type: str) -> dict[str, Any]:
    """Parameters of CreateModelPackage.

    The client token comes from the run's name, which no other attempt and no other deployment
    has: however often the request is repeated, the attempt has one version.
    """
    run = request.run
    container = {"Image": run.image.training, "ModelDataUrl": request.model_data_url}
    statistics = {
        "ContentType": "application/json",
        "S3Uri": request.evaluation.evaluation_uri,
    }
    return {
        "ModelPackageGroupName": group_name,
        "ModelPackageDescription": f"{run.name}: data set {run.dataset.version}, "
        f"quality gate {request.gate.verdict}",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": [CONTENT_TYPE],
            "SupportedResponseMIMETypes": [CONTENT_TYPE],
            "SupportedRealtimeInferenceInstanceTypes": [instance_type],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
        "CustomerMetadataProperties": metadata(request),
        "ClientToken": client_token(run.name),
    }


def client_token(run_name: str) -> str:
    """What SageMaker knows a repeated request by."""
    return hashlib.sha256(run_name.encode()).hexdigest()[:CLIENT_TOKEN_LENGTH]


def metadata(request: RegisterRequest) -> dict[str, str]:
    """Where the version comes from and how good it is."""
    run, gate = request.run, request.gate
    described = {
        "run_key": run.run_key,
        "run_name": run.name,
        "dataset_version": run.dataset.version,
        "dataset_digest": run.dataset.digest,
        "image_digest": _digest(run.image.training),
        "processing_image_digest": _digest(run.image.processing),
        "settings_digest": run.settings_digest,
        "execution_arn": request.execution_arn,
        "model_sha256": request.evaluation.model_sha256,
        "gate": gate.verdict,
        "gate_mode": gate.mode,
        "gate_summary": gate.summary,
        **{name: repr(value) for name, value in request.evaluation.metrics.items()},
    }
    return {name: _allowed(text) for name, text in described.items()}


def _digest(image_uri: str) -> str:
    return image_uri.rpartition("@")[2]


def _allowed(text: str) -> str:
    return _NOT_METADATA.sub("", text)[:METADATA_LENGTH].strip()


def model_version(model_package_arn: str) -> ModelVersion:
    """The version's number is the last part of its ARN."""
    number = model_package_arn.rpartition("/")[2]
    return ModelVersion(model_package_arn=model_package_arn, version=int(number))
