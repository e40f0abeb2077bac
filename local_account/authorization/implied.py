"""Accesses that a request needs because of what it finds: encrypted data, missing objects."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from local_account.authorization.documents import Access
from local_account.authorization.sources import Sources
from local_account.operations import Call
from local_account.service import Account

_DATA_KEY, _DECRYPT = "kms:GenerateDataKey", "kms:Decrypt"
_SENDS = (_DATA_KEY, _DECRYPT)
_READS_OBJECT = {"GetObject", "HeadObject"}
_WRITES_OBJECT = {"PutObject", "CopyObject", "CreateMultipartUpload"}
_COPIES = {"CopyObject", "UploadPartCopy"}
_WRITES_PART = {"UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}
_ITEMS = re.compile(r"(Get|Put|Update|Delete)Item|Query|Scan")
_KEY_IS = re.compile(r"([#\w]+)\s*=\s*(:\w+)")


class Implied:
    """What the state of an account adds to the accesses of a request."""

    def __init__(self, account: Account, sources: Sources) -> None:
        self._account, self._sources = account, sources

    def of(self, call: Call) -> Iterator[Access]:
        """Yield the further accesses of a request."""
        find = {
            "s3": self._s3,
            "sqs": self._sqs,
            "sns": self._sns,
            "dynamodb": self._dynamodb,
        }.get(call.service)
        if find is not None:
            yield from find(call.operation, call.params)

    def resolve(self, kind: str, name: str) -> str:
        """Return the id of a KMS key, or the ARN of a role, that a request names otherwise."""
        if kind == "key":
            key = self._key(name)
            return key.id if key else name
        roles = self._sources.backend("iam").roles.values()
        return next((role.arn for role in roles if role.name == name), name)

    def leading_keys(self, call: Call) -> dict[str, tuple[str, ...]]:
        """Return the condition key of the partition keys that a request to a table names."""
        table = self._table(call.params) if call.service == "dynamodb" else None
        if table is None:
            return {}
        attribute, params = table.hash_key_attr, call.params
        item = params.get("Key") or params.get("Item") or {}
        value = item.get(attribute) if isinstance(item, Mapping) else None
        if value is None and (found := _KEY_IS.search(params.get("KeyConditionExpression", ""))):
            name = params.get("ExpressionAttributeNames", {}).get(found[1], found[1])
            if name == attribute:
                value = params.get("ExpressionAttributeValues", {}).get(found[2])
        if not isinstance(value, Mapping):
            return {}
        return {"dynamodb:leadingkeys": tuple(map(str, value.values()))}

    def _s3(self, operation: str, params: dict[str, Any]) -> Iterator[Access]:
        buckets = self._sources.backend("s3").buckets
        if operation in _COPIES:
            yield from self._copied(buckets, _source(params["CopySource"]))
        bucket = buckets.get(params.get("Bucket"))
        if bucket is None:
            return
        if operation in _READS_OBJECT:
            content = operation == "GetObject" or params.get("ChecksumMode") == "ENABLED"
            yield from self._read(bucket, params, content=content)
        if operation in _WRITES_OBJECT | _WRITES_PART:
            key_id, bucket_key = _encryption(bucket, params)
            action = _DATA_KEY if operation in _WRITES_OBJECT else _DECRYPT
            yield from self._used("s3", key_id, _s3_context(bucket, params, bucket_key), action)

    def _copied(self, buckets: Any, source: dict[str, str]) -> Iterator[Access]:
        version = source.get("VersionId", "")
        action = "s3:GetObjectVersion" if version else "s3:GetObject"
        context = {"s3:versionid": (version,)} if version else {}
        yield Access(action, f"arn:aws:s3:::{source['Bucket']}/{source['Key']}", context)
        if source["Bucket"] in buckets:
            yield from self._read(buckets[source["Bucket"]], source, content=True)

    def _read(self, bucket: Any, params: dict[str, Any], content: bool) -> Iterator[Access]:
        """Yield what reading an object needs; without the right to list, none may be missed."""
        found = self._sources.backend("s3").get_object(
            bucket.name, params["Key"], version_id=params.get("VersionId")
        )
        if found is None:
            listing = "s3:ListBucketVersions" if params.get("VersionId") else "s3:ListBucket"
            yield Access(listing, f"arn:aws:s3:::{bucket.name}")
        elif found.encryption == "aws:kms" and content:
            context = _s3_context(bucket, params, found.bucket_key_enabled)
            yield from self._used("s3", found.kms_key_id, context, _DECRYPT)

    def _sqs(self, operation: str, params: dict[str, Any]) -> Iterator[Access]:
        name = params.get("QueueUrl", "").rpartition("/")[2]
        queue = self._sources.backend("sqs").queues.get(name)
        actions = {"SendMessage": _SENDS, "SendMessageBatch": _SENDS, "ReceiveMessage": (_DECRYPT,)}
        if queue is not None and queue.kms_master_key_id:
            context = {"aws:sqs:arn": queue.queue_arn}
            key_id = queue.kms_master_key_id
            yield from self._used("sqs", key_id, context, *actions.get(operation, ()))

    def _sns(self, operation: str, params: dict[str, Any]) -> Iterator[Access]:
        topic = self._sources.backend("sns").topics.get(params.get("TopicArn"))
        if topic is not None and operation in ("Publish", "PublishBatch"):
            context = {"aws:sns:topicArn": topic.arn}
            yield from self._used("sns", topic.kms_master_key_id, context, *_SENDS)

    def _dynamodb(self, operation: str, params: dict[str, Any]) -> Iterator[Access]:
        table = self._table(params)
        if table is not None and _ITEMS.fullmatch(operation):
            context = {
                "aws:dynamodb:tableName": table.name,
                "aws:dynamodb:subscriberId": self._account.account_id,
            }
            key_id = (table.sse_specification or {}).get("KMSMasterKeyId")
            yield from self._used("dynamodb", key_id, context, _DECRYPT)

    def _table(self, params: dict[str, Any]) -> Any:
        name = str(params.get("TableName", "")).rpartition("/")[2]
        return self._sources.backend("dynamodb").tables.get(name)

    def _used(
        self, service: str, key_id: str | None, encryption: dict[str, str], *actions: str
    ) -> Iterator[Access]:
        """Yield what a service does with a customer's key on behalf of its caller."""
        key = self._key(key_id) if key_id else None
        if key is None or key.key_manager != "CUSTOMER":
            return
        context = {
            "kms:viaservice": (f"{service}.{self._account.region}.amazonaws.com",),
            "aws:viaawsservice": ("true",),
            "kms:encryptioncontextkeys": tuple(encryption),
            **{f"kms:encryptioncontext:{k.lower()}": (v,) for k, v in encryption.items()},
        }
        for action in actions:
            yield Access(action, key.arn, context)

    def _key(self, key_id: str) -> Any:
        kms = self._sources.backend("kms")
        return kms.keys.get(kms.any_id_to_key_id(key_id))


def _source(copy_source: str) -> dict[str, str]:
    """Read where an object is copied from, in the way that moto reads it."""
    parsed = urlparse(copy_source)
    bucket, _, key = unquote(parsed.path).lstrip("/").partition("/")
    versions = parse_qs(parsed.query).get("versionId", [])
    return {"Bucket": bucket, "Key": key, **({"VersionId": versions[0]} if versions else {})}


def _encryption(bucket: Any, params: dict[str, Any]) -> tuple[str | None, Any]:
    """Return the key by which a new object is encrypted, and whether a bucket key is used."""
    rule = (bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    algorithm = params.get("ServerSideEncryption") or default.get("SSEAlgorithm")
    if algorithm != "aws:kms":
        return None, False
    bucket_key = params.get("BucketKeyEnabled", rule.get("BucketKeyEnabled"))
    return params.get("SSEKMSKeyId") or default.get("KMSMasterKeyID"), bucket_key


def _s3_context(bucket: Any, params: dict[str, Any], bucket_key: Any) -> dict[str, str]:
    whole = str(bucket_key).lower() == "true"
    arn = f"arn:aws:s3:::{bucket.name}"
    return {"aws:s3:arn": arn if whole else f"{arn}/{params['Key']}"}
