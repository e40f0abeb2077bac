"""Which model a run made: the digest of its model file."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.documents import split_uri
from mlops.errors import MismatchError, RequestError

if TYPE_CHECKING:
    from mlops.history import History
    from mlops.target import Deployment

DESCRIPTION = "model.json"
"""Beside the model in its artifact; its `sha256` is that of the model's file."""


def expected_sha256(deployment: Deployment, history: History, job: Any) -> tuple[str, str]:
    """Return the digest of the run's model file, and where it is from."""
    from botocore.exceptions import ClientError

    arn = history.context.get("registered", {}).get("model_package_arn")
    if arn:
        try:
            package = deployment.target.sagemaker.describe_model_package(ModelPackageName=arn)
            digest = package.get("CustomerMetadataProperties", {}).get("model_sha256")
        except ClientError:
            digest = None
        if digest:
            return digest, f"model version {arn.rpartition('/')[2]}"
    uri = job.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
    if job["TrainingJobStatus"] != "Completed" or not uri:
        raise RequestError(
            f"training job {job['TrainingJobName']} is {job['TrainingJobStatus']} and has no "
            "model to compare with. Reproduce a run whose training succeeded."
        )
    bucket, key = split_uri(uri)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "model.tar.gz"
        deployment.target.s3.download_file(bucket, key, str(archive))
        with tarfile.open(archive) as members:
            members.extractall(scratch, filter="data")
        return model_sha256(Path(scratch)), uri


def model_sha256(folder: Path) -> str:
    """Return the digest that the artifact's description gives, once a file has it."""
    try:
        described = str(json.loads((folder / DESCRIPTION).read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MismatchError(
            f"{folder / DESCRIPTION}: {error!r}; expected the model's description with its sha256."
        ) from error
    files = [path for path in folder.iterdir() if path.is_file()]
    if described not in {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}:
        raise MismatchError(f"no file in {folder} has the sha256 {described} of {DESCRIPTION}.")
    return described
