"""The data set version that a run used, file by file as its manifest lists them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import data
from mlops.errors import MismatchError, ResponseError
from mlops.runs import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mlops.runs import Run
    from mlops.target import Deployment

_CHUNK_BYTES = 1024 * 1024
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class InputFile:
    """One file of a data set version; `version_id` where the manifest names it."""

    key: str
    sha256: str
    size: int
    version_id: str | None


def manifest_files(deployment: Deployment, run: Run, digest: str) -> list[InputFile]:
    """Find the manifest whose files have the digest that the run trained on.

    Raises
    ------
    MismatchError
        If no version of the manifest has it.
    """
    key = f"{run.dataset}/{MANIFEST_NAME}"
    seen: list[str] = []
    for version_id in _manifest_versions(deployment, run, key):
        files = _read_manifest(deployment, key, version_id)
        found = data.dataset_digest(
            [{"key": each.key, "sha256": each.sha256, "size": each.size} for each in files]
        )
        if found == digest:
            return files
        seen.append(found)
    raise MismatchError(
        f"s3://{deployment.bucket}/{key}: none of its {len(seen)} versions lists the data of run "
        f"{run.name}, {digest}. Older versions may have expired; publish that data again."
    )


def _manifest_versions(deployment: Deployment, run: Run, key: str) -> list[str]:
    """List what the manifest has been, the version that the run asked for first."""
    versions = [str(each["VersionId"]) for each in object_versions(deployment, key)]
    return sorted(versions, key=lambda version: version != run.manifest_version_id)


def object_versions(deployment: Deployment, key: str) -> list[Any]:
    """List what an object has been, the newest first."""
    pages = deployment.target.s3.get_paginator("list_object_versions").paginate(
        Bucket=deployment.bucket, Prefix=key
    )
    versions = [each for page in pages for each in page.get("Versions", [])]
    own = [each for each in versions if each.get("Key") == key]
    return sorted(own, key=lambda each: each["LastModified"], reverse=True)


def _read_manifest(deployment: Deployment, key: str, version_id: str) -> list[InputFile]:
    uri = f"s3://{deployment.bucket}/{key} version {version_id}"
    try:
        answer = deployment.target.s3.get_object(
            Bucket=deployment.bucket, Key=key, VersionId=version_id
        )
        listed = json.loads(answer["Body"].read())["files"]
        return [
            InputFile(
                str(each["key"]), str(each["sha256"]), int(each["size"]), each.get("version_id")
            )
            for each in listed
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ResponseError(f"{uri}: {error!r}; expected a manifest. Publish it again.") from error


def download_channels(
    deployment: Deployment,
    run: Run,
    files: Sequence[InputFile],
    channels: Mapping[str, str],
    folder: Path,
    note: Callable[[str], None],
) -> None:
    """Download each channel's files below ``folder/<channel>``, as a training job has them.

    Parameters
    ----------
    channels
        The URI of each channel.

    Raises
    ------
    MismatchError
        If a file of the manifest is not in the bucket with its sha256 any more.
    """
    root = f"s3://{deployment.bucket}/{run.dataset}/"
    for channel, uri in channels.items():
        chosen = [each for each in files if f"{root}{each.key}".startswith(uri)]
        if not chosen:
            raise MismatchError(
                f"channel {channel} reads {uri}, of which the manifest of {run.dataset} lists no "
                "file; expected the data set's own objects. Train with this project's workflow."
            )
        for each in chosen:
            below = f"{root}{each.key}".removeprefix(uri).lstrip("/") or each.key
            _download(deployment, run.dataset, each, folder / channel / below)
            note(f"{channel}: {each.key} {each.size} bytes, sha256 {each.sha256[:SHOWN_DIGITS]}…")


def _download(deployment: Deployment, dataset: str, file: InputFile, path: Path) -> None:
    key, found = f"{dataset}/{file.key}", list[str]()
    if ".." in path.parts:
        raise MismatchError(f"{key} of the manifest leads out of its folder; it is not read.")
    path.parent.mkdir(parents=True, exist_ok=True)
    for version_id in _file_versions(deployment, key, file):
        found.append(_fetch(deployment, key, version_id, path))
        if found[-1] == file.sha256:
            return
    path.unlink(missing_ok=True)
    had = f"sha256 {found[0]}" if found else f"no version of {file.size} bytes"
    raise MismatchError(
        f"s3://{deployment.bucket}/{key}: found {had}, expected sha256 {file.sha256} as in the "
        "manifest; the file that the run used is gone. Upload it again under this key."
    )


def _fetch(deployment: Deployment, key: str, version_id: str, path: Path) -> str:
    """Download one version of an object and return its sha256."""
    digest = hashlib.sha256()
    answer = deployment.target.s3.get_object(
        Bucket=deployment.bucket, Key=key, VersionId=version_id
    )
    with path.open("wb") as out:
        for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _file_versions(deployment: Deployment, key: str, file: InputFile) -> list[str]:
    """Return the version that the manifest names, else all that may have the file's bytes."""
    versions = object_versions(deployment, key)
    if file.version_id:
        versions = [each for each in versions if each["VersionId"] == file.version_id]
    return [each["VersionId"] for each in versions if each["Size"] == file.size]
