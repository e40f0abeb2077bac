"""What a model version says of itself."""

import hashlib
import unicodedata
from typing import Any

from model_registry.models import ModelVersion, RegisterRequest

CLIENT_TOKEN_LENGTH = 36
METADATA_LENGTH = 256
METADATA_NAME_LENGTH = 128
# Beside the letters, digits and spaces of any language.
_METADATA_SIGNS = frozenset("_.:/=+-@")
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
        "commit": run.commit or "",
        "author": run.author,
        "message": run.message,
        **{name: repr(value) for name, value in request.evaluation.metrics.items()},
    }
    allowed = {
        _allowed(name, METADATA_NAME_LENGTH): _allowed(text, METADATA_LENGTH)
        for name, text in described.items()
    }
    # SageMaker refuses an empty value.
    return {name: text for name, text in allowed.items() if name and text}


def _digest(image_uri: str) -> str:
    return image_uri.rpartition("@")[2]


def _allowed(text: str, length: int) -> str:
    kept = (each for each in " ".join(text.split()) if _is_metadata(each))
    return "".join(kept)[:length].strip()


def _is_metadata(character: str) -> bool:
    return character in _METADATA_SIGNS or unicodedata.category(character)[0] in "LNZ"


def model_version(model_package_arn: str) -> ModelVersion:
    """The version's number is the last part of its ARN."""
    number = model_package_arn.rpartition("/")[2]
    return ModelVersion(model_package_arn=model_package_arn, version=int(number))
