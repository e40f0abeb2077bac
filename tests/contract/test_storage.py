"""S3 and DynamoDB."""

from typing import Any

import pytest

from tests.contract.account import Aws, refused, statement


@pytest.mark.contract(
    *("s3:CreateBucket", "s3:HeadBucket", "s3:DeleteBucket", "s3:ListBuckets"),
    *("s3:PutBucketVersioning", "s3:GetBucketVersioning", "s3:GetBucketLocation"),
    *("s3:PutBucketTagging", "s3:GetBucketTagging", "s3:DeleteBucketTagging"),
)
def test_a_bucket_from_creation_to_deletion(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket
    s3.head_bucket(Bucket=bucket)
    assert bucket in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    location = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint")
    assert (location or "us-east-1") == aws.region
    tags = [{"Key": "a", "Value": "1"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"

    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    assert refused(s3.head_bucket, Bucket=aws.name("absent")) == "404"
    assert refused(s3.delete_bucket, Bucket=aws.name("absent")) == "NoSuchBucket"


@pytest.mark.contract(
    *("s3:PutPublicAccessBlock", "s3:GetPublicAccessBlock", "s3:DeletePublicAccessBlock")
)
def test_a_public_policy_is_refused_while_public_access_is_blocked(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket

    def block() -> Any:
        return s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]

    every = {"BlockPublicAcls": True, "IgnorePublicAcls": True}
    every |= {"BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    assert block() == every, "a new bucket's"
    anybody = statement(Principal="*", Action="s3:GetObject", Resource=f"arn:aws:s3:::{bucket}/*")
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=anybody) == "AccessDenied"
    less = {**every, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=less)
    assert block() == less
    s3.delete_public_access_block(Bucket=bucket)
    assert refused(block) == "NoSuchPublicAccessBlockConfiguration"


@pytest.mark.contract(
    *("s3:PutBucketEncryption", "s3:GetBucketEncryption", "s3:DeleteBucketEncryption")
)
def test_a_bucket_s_encryption_is_aes256_unless_it_is_set(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket

    def algorithm() -> Any:
        kept = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        return kept["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]

    assert algorithm() == "AES256"
    by_key = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [by_key]})
    assert algorithm() == "aws:kms"
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert put["ServerSideEncryption"] == "aws:kms"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert algorithm() == "AES256"


@pytest.mark.contract("s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy")
def test_a_bucket_policy_denies_what_it_says(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket
    for key in ("open/a", "closed/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    closed = f"arn:aws:s3:::{bucket}/closed/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": closed}
    s3.put_bucket_policy(Bucket=bucket, Policy=statement(deny))
    assert closed in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    read = {"Bucket": bucket, "Key": "closed/a"}
    assert aws.until(lambda: _code(s3, **read)) == "AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"x"
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    aws.until(lambda: not _code(s3, **read))


def _code(s3: Any, **read: str) -> str:
    try:
        s3.get_object(**read)
    except s3.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@pytest.mark.contract("s3:PutObject", "s3:GetObject", "s3:HeadObject", "s3:CopyObject")
def test_an_object_is_written_under_conditions_and_read_in_each_version(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket
    key = {"Bucket": bucket, "Key": "folder/a b+c.csv"}
    first = s3.put_object(**key, Body=b"one", ContentType="text/csv", Metadata={"m": "1"})
    assert refused(s3.put_object, **key, Body=b"two", IfNoneMatch="*") == "PreconditionFailed"
    second = s3.put_object(**key, Body=b"three")
    assert first["VersionId"] != second["VersionId"]
    old = s3.get_object(**key, VersionId=first["VersionId"])
    assert (old["Body"].read(), old["ContentType"], old["Metadata"]) == (
        b"one",
        "text/csv",
        {"m": "1"},
    )
    part = s3.get_object(**key, Range="bytes=1-2")
    assert (part["Body"].read(), part["ContentRange"]) == (b"hr", "bytes 1-2/5")
    head = s3.head_object(**key)
    assert (head["ContentLength"], head["ETag"]) == (5, second["ETag"])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=key)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"three"
    assert refused(s3.get_object, Bucket=bucket, Key="absent") == "NoSuchKey"
    assert refused(s3.head_object, Bucket=bucket, Key="absent") == "404"
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == "KeyTooLongError"


@pytest.mark.contract(
    "s3:ListObjectsV2", "s3:ListObjectVersions", "s3:DeleteObject", "s3:DeleteObjects"
)
def test_objects_are_listed_in_pages_and_deleted_version_by_version(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket
    for key in ("a/1", "a/2", "b/1", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 3}
    )
    assert [[each["Key"] for each in page["Contents"]] for page in pages] == [
        ["a/1", "a/2", "b/1"],
        ["c"],
    ]
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [each["Prefix"] for each in top["CommonPrefixes"]] == ["a/", "b/"]
    assert [each["Key"] for each in top["Contents"]] == ["c"]

    assert s3.delete_object(Bucket=bucket, Key="c")["DeleteMarker"] is True
    assert refused(s3.get_object, Bucket=bucket, Key="c") == "NoSuchKey"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [each["Key"] for each in listed["DeleteMarkers"]] == ["c"]
    gone = [
        {"Key": each["Key"], "VersionId": each["VersionId"]}
        for each in (*listed["Versions"], *listed["DeleteMarkers"])
    ]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": gone})
    assert len(deleted["Deleted"]) == 5
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.contract(
    *("s3:CreateMultipartUpload", "s3:UploadPart", "s3:CompleteMultipartUpload"),
    "s3:AbortMultipartUpload",
)
def test_an_upload_in_parts(aws: Aws) -> None:
    s3, key = aws.client("s3"), {"Bucket": aws.bucket, "Key": "large"}
    upload = {"UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    bodies = (b"x" * (5 << 20), b"y")
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**key, **upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in enumerate(bodies, start=1)
    ]
    assert refused(s3.head_object, **key) == "404"
    done = s3.complete_multipart_upload(**key, **upload, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"')
    assert s3.head_object(**key)["ContentLength"] == (5 << 20) + 1
    other = {"UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    s3.abort_multipart_upload(**key, **other)
    late = {**key, **other, "PartNumber": 1, "Body": b"x"}
    assert refused(s3.upload_part, **late) == "NoSuchUpload"
    end = {**key, **other, "MultipartUpload": {"Parts": parts}}
    assert refused(s3.complete_multipart_upload, **end) == "NoSuchUpload"


@pytest.mark.contract(
    *("dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:ListTables"),
    *("dynamodb:DeleteTable", "dynamodb:TagResource", "dynamodb:UntagResource"),
    *("dynamodb:ListTagsOfResource", "dynamodb:UpdateTimeToLive", "dynamodb:DescribeTimeToLive"),
)
def test_a_table_from_creation_to_deletion(aws: Aws) -> None:
    dynamodb, table = aws.client("dynamodb"), _table(aws)
    found = dynamodb.describe_table(TableName=table)["Table"]
    assert found["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert refused(_table, aws=aws) == "ResourceInUseException"
    assert table in [
        name
        for page in dynamodb.get_paginator("list_tables").paginate()
        for name in page["TableNames"]
    ]
    arn, tags = found["TableArn"], [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    dynamodb.tag_resource(ResourceArn=arn, Tags=tags)
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["a"])
    aws.until(lambda: dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == tags[1:])
    expiry = {"Enabled": True, "AttributeName": "expires_at"}
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
    now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert now["TimeToLiveStatus"] in ("ENABLING", "ENABLED")
    dynamodb.delete_table(TableName=table)
    absent = {"TableName": aws.name("absent")}
    assert refused(dynamodb.describe_table, **absent) == "ResourceNotFoundException"
    assert refused(dynamodb.delete_table, **absent) == "ResourceNotFoundException"


def _table(aws: Aws) -> str:
    dynamodb, name = aws.client("dynamodb"), aws.name("table")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.later(dynamodb.delete_table, TableName=name)
    aws.until(lambda: dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")
    return name


@pytest.mark.contract(
    *("dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
    *("dynamodb:Query", "dynamodb:Scan"),
)
def test_an_item_is_written_under_conditions(aws: Aws) -> None:
    dynamodb, table = aws.client("dynamodb"), {"TableName": _table(aws)}
    free = {"ConditionExpression": "attribute_not_exists(id)"}
    item = {"id": {"S": "lock"}, "n": {"N": "1"}}
    dynamodb.put_item(**table, Item=item, **free)
    failed = "ConditionalCheckFailedException"
    assert refused(dynamodb.put_item, **table, Item=item, **free) == failed
    key = {"Key": {"id": {"S": "lock"}}}
    assert dynamodb.get_item(**table, **key, ConsistentRead=True)["Item"] == item
    change = {
        "UpdateExpression": "SET n = n + :one REMOVE x",
        "ConditionExpression": "n = :expected",
        "ReturnValues": "ALL_NEW",
    }
    values = {":one": {"N": "1"}, ":expected": {"N": "1"}}
    changed = dynamodb.update_item(**table, **key, **change, ExpressionAttributeValues=values)
    assert changed["Attributes"]["n"] == {"N": "2"}
    again = {**key, **change, "ExpressionAttributeValues": values}
    assert refused(dynamodb.update_item, **table, **again) == failed
    found = dynamodb.query(
        **table,
        ConsistentRead=True,
        KeyConditionExpression="id = :id",
        ExpressionAttributeValues={":id": {"S": "lock"}},
    )
    assert found["Count"] == 1
    for number in range(3):
        dynamodb.put_item(**table, Item={"id": {"S": f"item-{number}"}})
    pages = dynamodb.get_paginator("scan").paginate(
        **table, ConsistentRead=True, PaginationConfig={"PageSize": 3}
    )
    assert sum(page["Count"] for page in pages) == 4
    held = {"ExpressionAttributeValues": {":n": {"N": "9"}}, "ConditionExpression": "n = :n"}
    assert refused(dynamodb.delete_item, **table, **key, **held) == failed
    dynamodb.delete_item(**table, **key)
    assert "Item" not in dynamodb.get_item(**table, **key, ConsistentRead=True)
