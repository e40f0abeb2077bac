"""S3 refuses, checks and encrypts as AWS does."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.hooks.objects import one_at_a_time
from tests.conftest import RunningAccount

BUCKET = "of-objects"


@pytest.fixture(scope="module")
def s3(account: RunningAccount) -> Any:
    client = account.client("s3", request_checksum_calculation="when_required")
    client.create_bucket(Bucket=BUCKET)
    return client


def _code(operation: Any, **asked: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        operation(**asked)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    "name",
    ["Upper", "a", "a" * 64, "a..b", "a_b", "-ab", "ab-", "192.168.1.1", "xn--ab", "a-s3alias"],
)
def test_a_name_that_no_bucket_may_have_is_refused(s3: Any, name: str) -> None:
    assert _code(s3.create_bucket, Bucket=name) == ("InvalidBucketName", 400)


def test_keys_are_of_1024_bytes_at_most(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="ü" * 512)
    too_long = {"Bucket": BUCKET, "Key": "ü" * 512 + "x"}
    assert _code(s3.put_object, **too_long) == ("KeyTooLongError", 400)
    assert _code(s3.create_multipart_upload, **too_long) == ("KeyTooLongError", 400)


def test_conditional_writes(s3: Any) -> None:
    asked = {"Bucket": BUCKET, "Key": "conditional"}
    first = s3.put_object(**asked, Body=b"1", IfNoneMatch="*")["ETag"]
    assert _code(s3.put_object, **asked, IfNoneMatch="*") == ("PreconditionFailed", 412)
    second = s3.put_object(**asked, Body=b"2", IfMatch=first)["ETag"]
    assert _code(s3.put_object, **asked, Body=b"3", IfMatch=first) == ("PreconditionFailed", 412)
    assert s3.head_object(**asked)["ETag"] == second
    missing = {"Bucket": BUCKET, "Key": "never-written"}
    assert _code(s3.put_object, **missing, IfMatch=first) == ("NoSuchKey", 404)


def test_no_write_comes_between_a_condition_and_what_is_written_on_it() -> None:
    seen: list[str] = []
    asked, rival = threading.Event(), threading.Event()

    def conditional(request: Any) -> None:
        seen.append("condition holds")
        asked.set()
        rival.wait(0.3)
        seen.append("written")

    def ordinary(request: Any) -> None:
        seen.append("written by another")
        rival.set()

    first, second = (
        threading.Thread(target=one_at_a_time(write), args=[SimpleNamespace(headers=headers)])
        for write, headers in ((conditional, {"If-Match": "e"}), (ordinary, {}))
    )
    first.start()
    asked.wait(5)
    second.start()
    first.join(5)
    second.join(5)
    assert seen == ["condition holds", "written", "written by another"]


def test_of_many_that_would_create_an_object_one_does(s3: Any) -> None:
    bucket, key = "of-rivals", "won-once"
    s3.create_bucket(Bucket=bucket)

    def put(number: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=str(number).encode(), IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    with ThreadPoolExecutor(8) as rivals:
        assert sum(rivals.map(put, range(24))) == 1


def test_an_object_without_a_checksum_gets_one(s3: Any) -> None:
    asked = {"Bucket": BUCKET, "Key": "checked"}
    s3.put_object(**asked, Body=b"123456789")
    head = s3.head_object(**asked, ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == ("rosUhgp5mIg=", "FULL_OBJECT")
    upload = {**asked, "UploadId": s3.create_multipart_upload(**asked)["UploadId"]}
    tag = s3.upload_part(**upload, PartNumber=1, Body=b"123456789")["ETag"]
    s3.complete_multipart_upload(
        **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}
    )
    head = s3.head_object(**asked, ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == ("rosUhgp5mIg=", "FULL_OBJECT")


def test_a_checksum_of_parts_is_composite(s3: Any) -> None:
    asked = {"Bucket": BUCKET, "Key": "composite"}
    upload_id = s3.create_multipart_upload(**asked, ChecksumAlgorithm="SHA256")["UploadId"]
    part = {"PartNumber": 1, "ChecksumAlgorithm": "SHA256"}
    done = s3.upload_part(**asked, UploadId=upload_id, **part, Body=b"1")
    named = {"PartNumber": 1, "ETag": done["ETag"], "ChecksumSHA256": done["ChecksumSHA256"]}
    s3.complete_multipart_upload(**asked, UploadId=upload_id, MultipartUpload={"Parts": [named]})
    head = s3.head_object(**asked, ChecksumMode="ENABLED")
    assert (head["ChecksumType"], head["ChecksumSHA256"][-2:]) == ("COMPOSITE", "-1")


def test_content_that_is_not_what_its_checksum_says_is_refused(s3: Any) -> None:
    asked = {"Bucket": BUCKET, "Key": "damaged", "Body": b"1"}
    wrong = "A" * 43 + "="
    assert _code(s3.put_object, **asked, ChecksumSHA256=wrong) == ("BadDigest", 400)
    assert _code(s3.head_object, Bucket=BUCKET, Key="damaged")[1] == 404


def test_parts_are_large_and_in_order_and_of_an_upload_that_is_there(s3: Any) -> None:
    asked = {"Bucket": BUCKET, "Key": "parts"}
    upload = {**asked, "UploadId": s3.create_multipart_upload(**asked)["UploadId"]}
    tags = [s3.upload_part(**upload, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]

    def completed(*chosen: Any) -> str:
        listed = {"Parts": list(chosen)}
        return _code(s3.complete_multipart_upload, **upload, MultipartUpload=listed)[0]

    assert completed(*parts) == "EntityTooSmall"
    assert completed(*reversed(parts)) == "InvalidPartOrder"
    assert completed({"PartNumber": 3, "ETag": tags[0]}) == "InvalidPart"
    s3.abort_multipart_upload(**upload)
    assert completed(parts[0]) == "NoSuchUpload"


def test_objects_are_encrypted_by_default_and_an_encrypted_etag_is_no_digest(
    account: RunningAccount, s3: Any
) -> None:
    s3.put_object(Bucket=BUCKET, Key="plain", Body=b"1")
    plain = s3.head_object(Bucket=BUCKET, Key="plain")
    assert plain["ServerSideEncryption"] == "AES256"
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.create_bucket(Bucket="of-encrypted-objects")
    s3.put_bucket_encryption(
        Bucket="of-encrypted-objects",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
        },
    )
    s3.put_object(Bucket="of-encrypted-objects", Key="secret", Body=b"1")
    for found in (
        s3.head_object(Bucket="of-encrypted-objects", Key="secret"),
        s3.get_object(Bucket="of-encrypted-objects", Key="secret"),
    ):
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
        assert found["ETag"] != plain["ETag"]


def test_a_new_bucket_takes_no_public_policy(s3: Any) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert _code(s3.put_bucket_policy, Bucket=BUCKET, Policy=policy) == ("AccessDenied", 403)


def test_a_deleted_version_stays_until_it_is_deleted_itself(s3: Any) -> None:
    bucket = "of-versions"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    assert _code(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [(each["VersionId"], each["IsLatest"]) for each in listed["DeleteMarkers"]] == [
        (marker["VersionId"], True)
    ]
    assert _code(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    for each in (version, marker["VersionId"]):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=each)
    s3.delete_bucket(Bucket=bucket)
