"""Artifacts in a pipeline's store: written and read with the rights of its role."""

import io
import secrets
import string
import zipfile
from typing import Any

from botocore.exceptions import ClientError

from local_account.archives import UNREADABLE_ZIP
from local_account.services.codepipeline.records import ActionFailed, Artifact, Record

_ALPHABET = string.ascii_letters + string.digits
_NAME_LENGTHS = {"pipeline": 20, "artifact": 10, "object": 7}
_LARGEST_BYTES = 256 * 1024 * 1024
_LARGEST_FILE_BYTES = 256 * 1024
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})


def place(definition: Record, name: str) -> Artifact:
    """Return where a new artifact of a pipeline will be, in keys that are cut as AWS cuts them."""
    pipeline = definition["name"][: _NAME_LENGTHS["pipeline"]]
    chosen = "".join(secrets.choice(_ALPHABET) for _ in range(_NAME_LENGTHS["object"]))
    key = f"{pipeline}/{name[: _NAME_LENGTHS['artifact']]}/{chosen}"
    return Artifact(name, definition["artifactStore"]["location"], key)


def key_id(definition: Record) -> str:
    """Return the key that a pipeline's artifacts are encrypted with; without one, S3's own."""
    found: str = definition["artifactStore"].get("encryptionKey", {}).get("id", "")
    return found


def write(s3: Any, artifact: Artifact, body: bytes, key: str) -> None:
    """Put an artifact into the store.

    Raises
    ------
    ActionFailed
        If the role may not, or the store is not there.
    """
    encryption = {"ServerSideEncryption": "aws:kms"} | ({"SSEKMSKeyId": key} if key else {})
    try:
        s3.put_object(Bucket=artifact.bucket, Key=artifact.key, Body=body, **encryption)
    except ClientError as error:
        code, message = (error.response["Error"][name] for name in ("Code", "Message"))
        raise ActionFailed(
            "PermissionError" if is_denied(error) else "ConfigurationError",
            "The service role or action role doesn’t have the permissions required to access the "
            f"Amazon S3 bucket named {artifact.bucket}. Update the IAM role permissions, and then "
            f"try again. Error: Amazon S3:{code}:{message}",
        ) from error


def read_file(s3: Any, artifact: Artifact, path: str) -> str:
    """Return the text of a file of an artifact.

    Raises
    ------
    ActionFailed
        If the role may not read the artifact, or there is no such file, or a too large one.
    """
    content = _read(s3, artifact)
    where = f"in the input artifact {artifact.name} ({artifact.bucket}/{artifact.key})"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = archive.getinfo(path).file_size
            if size > _LARGEST_FILE_BYTES:
                found = f"found {size} bytes, expected at most {_LARGEST_FILE_BYTES}"
                raise ActionFailed("ConfigurationError", f"The file {path} {where}: {found}")
            return archive.read(path).decode()
    except KeyError as error:
        message = f"The file {path} is not {where}"
        raise ActionFailed("ConfigurationError", message) from error
    except (*UNREADABLE_ZIP, UnicodeDecodeError) as error:
        message = f"The file {path} cannot be read {where}: {error}"
        raise ActionFailed("ConfigurationError", message) from error


def _read(s3: Any, artifact: Artifact) -> bytes:
    try:
        answer = s3.get_object(Bucket=artifact.bucket, Key=artifact.key)
    except ClientError as error:
        if not is_denied(error):
            raise ActionFailed("ConfigurationError", f"{artifact.key}: {error}") from error
        raise ActionFailed(
            "PermissionError",
            f"Unable to access the artifact with Amazon S3 object key '{artifact.key}' located in "
            f"the Amazon S3 artifact bucket '{artifact.bucket}'. The provided role does not have "
            "sufficient permissions.",
        ) from error
    if answer["ContentLength"] > _LARGEST_BYTES:
        found = f"{answer['ContentLength']} bytes, expected at most {_LARGEST_BYTES}"
        raise ActionFailed("ConfigurationError", f"The artifact {artifact.name} has {found}")
    content: bytes = answer["Body"].read()
    return content


def is_denied(error: ClientError) -> bool:
    """Tell whether a request failed for want of a right."""
    return error.response["Error"]["Code"] in _DENIED
