"""Publishing a data set version: everything is checked first, the manifest goes last."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import data
from mlops.errors import DataSetError
from mlops.runs import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops.target import Deployment

MAX_FILE_BYTES = 5 * 1024**3
"""What one PUT holds, and so the largest file whose sha256 S3 checks on arrival."""


@dataclass(frozen=True)
class DataSet:
    """A folder that may be published, with its manifest."""

    version: str
    folder: Path
    manifest: bytes
    files: Sequence[data.ManifestFile]


def build(folder: Path) -> list[data.DatasetVersion]:
    """Write the versions of the project's data set below a folder.

    Raises
    ------
    DataSetError
        If the source cannot be used, or files that are not the versions' are in the way.
    """
    try:
        return data.build_versions(folder)
    except data.DataSetError as error:
        raise DataSetError(str(error)) from error


def read_data_set(folder: Path, version: str) -> DataSet:
    """Check a folder with ``train/`` and ``validation/`` and describe it.

    Raises
    ------
    DataSetError
        If the name, the folder's structure or a file in it cannot be published.
    """
    try:
        manifest = data.build_manifest(folder, version)
    except data.DataSetError as error:
        raise DataSetError(str(error)) from error
    for file in manifest["files"]:
        if file["size"] > MAX_FILE_BYTES:
            raise DataSetError(
                f"{folder / file['key']} has {file['size']} bytes; expected at most "
                f"{MAX_FILE_BYTES}. Split it into several files."
            )
    return DataSet(version, folder, data.manifest_bytes(manifest), manifest["files"])


def publish(deployment: Deployment, dataset: DataSet, note: Callable[[str], None]) -> str:
    """Upload a data set; return the S3 version id of its manifest, whose arrival starts a run.

    Every PUT carries its sha256, so S3 refuses a file that changed since it was read.

    Raises
    ------
    DataSetError
        If other files are published under this version's name already.
    """
    bucket, version = deployment.bucket, dataset.version
    _refuse_other_content(deployment, dataset)
    for file in dataset.files:
        digest = base64.b64encode(bytes.fromhex(file["sha256"])).decode()
        key = f"{version}/{file['key']}"
        with (dataset.folder / file["key"]).open("rb") as body:
            deployment.target.s3.put_object(
                Bucket=bucket, Key=key, Body=body, ChecksumSHA256=digest
            )
        note(f"s3://{bucket}/{key} {file['size']} bytes")
    response = deployment.target.s3.put_object(
        Bucket=bucket,
        Key=f"{version}/{MANIFEST_NAME}",
        Body=dataset.manifest,
        ContentType="application/json",
        ChecksumAlgorithm="SHA256",
    )
    note(f"s3://{bucket}/{version}/{MANIFEST_NAME} {len(dataset.manifest)} bytes")
    return response.get("VersionId", "")


def _refuse_other_content(deployment: Deployment, dataset: DataSet) -> None:
    s3, key = deployment.target.s3, f"{dataset.version}/{MANIFEST_NAME}"
    try:
        published = s3.get_object(Bucket=deployment.bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return
    if published != dataset.manifest:
        raise DataSetError(
            f"s3://{deployment.bucket}/{key} lists other files than {dataset.folder}: version "
            f"{dataset.version} is taken. Publish under another name: `--version NAME`."
        )
