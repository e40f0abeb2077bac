"""S3: refuse what AWS refuses, encrypt and check by default as it does.

The front door has judged bucket policies already.
"""

import re
import secrets
import threading
from typing import Any

from local_account.hooks.replace import replace
from local_account.service import ServiceError
from local_account.services.checksums import ALGORITHMS, checksum

_LONGEST_KEY_BYTES = 1024
_NAME = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NO_NAME = re.compile(r"\d+\.\d+\.\d+\.\d+|.*\.\..*|.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)")
_WRITES = (
    *("put_object", "copy_object", "_key_response_post"),  # the last completes uploads
    *("delete_object", "_bucket_response_delete_keys"),
)
_DEFAULT = "CRC64NVME"
_writing = threading.RLock()


def install() -> None:
    """Make moto's objects and buckets those of AWS."""
    backend, responses = "moto.s3.models:S3Backend", "moto.s3.responses:S3Response"
    replace(f"{backend}.create_bucket", _created_bucket)
    replace(f"{backend}.put_bucket_policy", _private_policy)
    replace(f"{backend}.delete_bucket_encryption", lambda original: _encrypt_by_default)
    replace(f"{backend}.put_object", _put_object)
    replace(f"{backend}.create_multipart_upload", _with_a_key_that_fits)
    replace(f"{backend}.upload_part", of_an_upload_that_is_there)
    replace(f"{backend}._get_results_from_token", _after_a_known_token)
    replace("moto.s3.models:FakeMultipart.complete", _in_order)
    for write in _WRITES:
        replace(f"{responses}.{write}", one_at_a_time)
    replace(f"{responses}._get_checksum", lambda original: _checked)
    replace(f"{responses}.head_object", _with_its_checksum)
    replace("moto.s3.models:FakeBucket.get_permission", _permitted)


def _permitted(original: Any) -> Any:
    from moto.iam.access_control import PermissionResult

    return lambda self, action, resource: PermissionResult.PERMITTED


def of_an_upload_that_is_there(original: Any) -> Any:
    """Refuse what is asked of an upload that was completed or aborted."""
    from moto.s3.exceptions import NoSuchUpload

    def of_upload(self: Any, bucket_name: str, multipart_id: str, *args: Any, **kw: Any) -> Any:
        if multipart_id not in self.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=multipart_id)
        return original(self, bucket_name, multipart_id, *args, **kw)

    return of_upload


def _created_bucket(original: Any) -> Any:
    from moto.s3.exceptions import InvalidBucketName
    from moto.s3.models import PublicAccessBlock

    def create_bucket(self: Any, bucket_name: str, *args: Any, **kw: Any) -> Any:
        if not _NAME.fullmatch(bucket_name) or _NO_NAME.fullmatch(bucket_name):
            raise InvalidBucketName
        bucket = original(self, bucket_name, *args, **kw)
        bucket.public_access_block = PublicAccessBlock(True, True, True, True)
        _encrypt_by_default(self, bucket_name)
        return bucket

    return create_bucket


def _encrypt_by_default(backend: Any, bucket_name: str) -> None:
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    rule = {"Rule": {**default, "BucketKeyEnabled": "false"}}
    backend.get_bucket(bucket_name).encryption = rule


def _private_policy(original: Any) -> Any:
    from moto.s3.utils import bucket_policy_is_public

    def put_bucket_policy(self: Any, bucket_name: str, policy: bytes) -> Any:
        block = self.get_bucket(bucket_name).public_access_block
        if block and block.block_public_policy and bucket_policy_is_public(policy):
            why = "public policies are blocked by the BlockPublicPolicy block public access setting"
            where = f"s3:PutBucketPolicy on resource: arn:aws:s3:::{bucket_name}"
            message = f"The request is not authorized to perform: {where} because {why}."
            raise ServiceError("AccessDenied", message, 403)
        return original(self, bucket_name, policy)

    return put_bucket_policy


def _with_a_key_that_fits(original: Any) -> Any:
    def of_key(self: Any, bucket_name: str, key_name: str, *args: Any, **kw: Any) -> Any:
        _check_key(key_name)
        return original(self, bucket_name, key_name, *args, **kw)

    return of_key


def _check_key(name: str) -> None:
    from moto.s3.exceptions import S3ClientError

    if len(name.encode()) > _LONGEST_KEY_BYTES:
        raise S3ClientError("KeyTooLongError", "Your key is too long")


def _put_object(original: Any) -> Any:
    def put_object(
        self: Any, bucket_name: str, key_name: str, value: bytes, *args: Any, **kw: Any
    ) -> Any:
        _check_key(key_name)
        if kw.get("multipart") is None and kw.get("checksum_value") is None:
            kw["checksum_value"] = checksum(_DEFAULT, value)
            put = original(self, bucket_name, key_name, value, *args, **kw)
            put.checksum_algorithm = _DEFAULT
        else:
            put = original(self, bucket_name, key_name, value, *args, **kw)
        if kw.get("multipart") is None:
            put.checksum_type = "FULL_OBJECT"
            if str(put.encryption).startswith("aws:kms"):
                put._etag = secrets.token_hex(16)  # of the encrypted content, say
        return put

    return put_object


def _after_a_known_token(original: Any) -> Any:
    def results(self: Any, keys: Any, token: Any) -> Any:
        if token is None:
            message = "The continuation token provided is incorrect"
            raise ServiceError("InvalidArgument", message)
        return original(self, keys, token)

    return results


def _in_order(original: Any) -> Any:
    def complete(self: Any, body: Any) -> Any:
        parts = list(body)
        numbers = [number for number, _ in parts]
        if numbers != sorted(set(numbers)):
            message = "The list of parts was not in ascending order. Parts must be ordered by part"
            raise ServiceError("InvalidPartOrder", f"{message} number.")
        self.metadata.setdefault("x-amz-checksum-algorithm", _DEFAULT)
        content, etag, told = original(self, iter(parts))
        if told and told[0] == "FULL_OBJECT":
            value = checksum(self.metadata["x-amz-checksum-algorithm"], content)
            told = (told[0], value, told[2])
        return content, etag, told

    return complete


def one_at_a_time(original: Any) -> Any:
    """Let no write come between the condition of another one and what it writes."""

    def write(*args: Any, **kw: Any) -> Any:
        with _writing:
            return original(*args, **kw)

    return write


def _checked(self: Any, response_headers: dict[str, Any]) -> tuple[str, str | None]:
    """Compare what was uploaded with the checksum that came along, and say it in the answer."""
    found = re.search(rb"x-amz-checksum-(\w+):([\w+/=]+)", self.raw_body[-256:])
    given = {
        name: self.headers[f"x-amz-checksum-{name.lower()}"]
        for name in ALGORITHMS
        if f"x-amz-checksum-{name.lower()}" in self.headers
    }
    if found and "x-amz-trailer" in self.headers:
        given[found[1].decode().upper()] = found[2].decode()
    asked = self.headers.get("x-amz-sdk-checksum-algorithm", "")
    algorithm = next(iter(given), asked)
    if not algorithm:
        return "", None
    value = checksum(algorithm, self.body or b"")
    if given.get(algorithm, value) != value:
        message = f"The {algorithm} you specified did not match the calculated checksum."
        raise ServiceError("BadDigest", message)
    response_headers[f"x-amz-checksum-{algorithm.lower()}"] = value
    return algorithm, value


def _with_its_checksum(original: Any) -> Any:
    """Say of a checksum whether it is of the whole object, which moto says to GET only."""

    def head(self: Any, bucket_name: str, query: Any, key_name: str, headers: Any) -> Any:
        status, answered, body = original(self, bucket_name, query, key_name, headers)
        version = query.get("versionId", [None])[0]
        key = self.backend.get_object(bucket_name, key_name, version_id=version)
        algorithm = getattr(key, "checksum_algorithm", None) or "none"
        name = f"x-amz-checksum-{algorithm.lower()}"
        if name in answered:
            answered["x-amz-checksum-type"] = key.checksum_type
            if key.checksum_type == "COMPOSITE":
                answered[name] = f"{key.checksum_value}-{key.checksum_parts}"
        return status, answered, body

    return head
