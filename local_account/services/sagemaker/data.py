"""Data between S3 and the folders of a container."""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError


class DataError(Exception):
    """Data could not be moved; the message is what AWS puts into a FailureReason."""


class Object(NamedTuple):
    """An object in S3 and its path below the container's folder."""

    bucket: str
    key: str
    path: str


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key (or prefix) of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def objects(s3: Any, source: dict[str, Any], role_arn: str) -> list[Object]:
    """Return the objects of an S3DataSource or S3Input; `s3` is the client of the role.

    Raises
    ------
    DataError
        If there is none.
    """
    uri = source["S3Uri"]
    listing = _manifest if source["S3DataType"] == "ManifestFile" else _prefix
    try:
        found = list(listing(s3, uri))
    except ClientError as error:
        raise DataError(_nothing(s3, uri, role_arn, str(error))) from error
    if not found:
        raise DataError(_nothing(s3, uri, role_arn, "the list is empty"))
    return found


def download(s3: Any, found: list[Object], folder: Path) -> None:
    """Download objects to their paths below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for bucket, key, relative in found:
        path = (folder / relative).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise DataError(f"Data download failed: the key {key} leads out of its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"]
            with path.open("wb") as file:
                shutil.copyfileobj(body, file)
        except ClientError as error:
            raise DataError(f"Data download failed:{error}") from error


def produced(base: Path, path: Path) -> Path:
    """Return a path where a container was to leave something.

    Raises
    ------
    DataError
        If a link in it leads elsewhere: the account sees files that the container did not.
    """
    if path.resolve() != base.resolve() / path.relative_to(base):
        where = path.relative_to(base)
        raise DataError(f"Artifact upload failed: /opt/ml/{where} is, or is below, a link")
    return path


def upload_folder(s3: Any, folder: Path, uri: str, key_id: str | None) -> None:
    """Upload the files of a folder below a prefix, encrypted with a key; links are left out."""
    bucket, prefix = split_uri(uri)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            relative = path.relative_to(folder).as_posix()
            key = f"{prefix.rstrip('/')}/{relative}".lstrip("/")
            _put(s3, Object(bucket, key, str(path)), key_id)


def upload_archive(s3: Any, folder: Path, uri: str, key_id: str | None) -> None:
    """Upload a folder as a tar.gz archive with its content at the root, encrypted with a key."""
    bucket, key = split_uri(uri)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = Path(scratch) / "archive.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, path.name, filter=_regular)
        _put(s3, Object(bucket, key, str(archive)), key_id)


def _put(s3: Any, target: Object, key_id: str | None) -> None:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
    try:
        with Path(target.path).open("rb") as body:
            s3.put_object(Bucket=target.bucket, Key=target.key, Body=body, **encryption)
    except ClientError as error:
        raise DataError(f"Artifact upload failed:{error}") from error


def _regular(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what no reader of an artifact accepts: symbolic links, pipes, devices."""
    return member if member.isfile() or member.isdir() or member.islnk() else None


def _prefix(s3: Any, uri: str) -> Iterator[Object]:
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            key: str = found["Key"]
            if not key.endswith("/"):  # a folder's marker, not a file
                yield Object(bucket, key, _relative(key, prefix))


def _relative(key: str, prefix: str) -> str:
    if prefix.endswith("/") or key.startswith(f"{prefix}/"):
        return key[len(prefix) :].lstrip("/")
    return key[prefix.rfind("/") + 1 :]


def _manifest(s3: Any, uri: str) -> Iterator[Object]:
    bucket, key = split_uri(uri)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        head, *paths = json.loads(body)
        root: Any = head["prefix"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"Data download failed: {uri} is not a manifest: {error!r}") from error
    for path in paths:
        bucket, key = split_uri(f"{root}{path}")
        yield Object(bucket, key, path)


def _nothing(s3: Any, uri: str, role_arn: str, found: str) -> str:
    bucket, region = split_uri(uri)[0], s3.meta.region_name
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
        f"the bucket exists in the selected region ({region}), that objects exist under "
        f'that S3 prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions on '
        f'bucket "{bucket}". Error message from S3: {found}'
    )
