"""The account that a contract test works in: clients, names, roles, waiting and cleaning."""

import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.costs import Meter

PREFIX = "contract-"
ABSENT = ("NoSuch", "NotFound", "NonExistent", "not exist", "Could not find")
_NEW_ROLE_SECONDS = 12
"""What IAM takes until services may assume a new role."""


@dataclass(frozen=True)
class Place:
    """An embedded account, or one on AWS: only there a meter runs."""

    make_client: Callable[[str], Any]
    account_id: str
    region: str
    meter: Meter | None = None
    image: str | None = None
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def is_aws(self) -> bool:
        return self.meter is not None

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.make_client(service)
        return self.clients[service]


def require_no_namesakes(place: Place, prefix: str) -> None:
    """Refuse an account that holds what a test might touch, or that serves production.

    Raises
    ------
    pytest.UsageError
        If a stack, bucket or role there has the tests' prefix, or a stack is one of `prod`.
    """
    listed = place.client("cloudformation").get_paginator("describe_stacks").paginate()
    stacks = [stack["StackName"] for page in listed for stack in page["Stacks"]]
    buckets = [bucket["Name"] for bucket in place.client("s3").list_buckets()["Buckets"]]
    pages = place.client("iam").get_paginator("list_roles").paginate()
    roles = [role["RoleName"] for page in pages for role in page["Roles"]]
    ours = [name for name in (*stacks, *buckets, *roles) if name.startswith(prefix)]
    if found := ours + [name for name in stacks if "-prod-" in name]:
        raise pytest.UsageError(
            f"account {place.account_id} has {', '.join(found)}; expected an account without "
            f"production and without anything named {prefix}*. Use another, or delete those."
        )


@dataclass
class Aws:
    """What one test has of an account; everything it makes begins with its prefix."""

    place: Place
    prefix: str = field(default_factory=lambda: f"{PREFIX}{uuid.uuid4().hex[:8]}")
    _cleaning: ExitStack = field(default_factory=ExitStack)

    @property
    def account_id(self) -> str:
        return self.place.account_id

    @property
    def region(self) -> str:
        return self.place.region

    def client(self, service: str) -> Any:
        return self.place.client(service)

    def name(self, end: str = "") -> str:
        return f"{self.prefix}-{end}" if end else self.prefix

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def later(self, call: Callable[..., Any], **parameters: Any) -> None:
        """Call something when the test has ended, however it did; what is gone is fine."""

        def clean() -> None:
            try:
                call(**parameters)
            except ClientError as error:
                if not any(words in str(error) for words in ABSENT):
                    raise

        self._cleaning.callback(clean)

    def clean(self) -> None:
        self._cleaning.close()

    def until(self, ready: Callable[[], Any], seconds: float = 60) -> Any:
        """Return what `ready` returns as soon as it is something; AWS gets ten times as long."""
        deadline = time.monotonic() + seconds * (10 if self.place.is_aws else 1)
        while not (found := ready()):
            assert time.monotonic() < deadline, f"not ready in {seconds} s"
            if self.place.meter:
                self.place.meter.check()
            time.sleep(3 if self.place.is_aws else 0.1)
        return found

    @cached_property
    def bucket(self) -> str:
        """A bucket with versioning, emptied and deleted in the end."""
        s3, name = self.client("s3"), self.name("bucket")
        where = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        s3.create_bucket(Bucket=name, **({} if self.region == "us-east-1" else where))
        self._cleaning.callback(s3.delete_bucket, Bucket=name)
        self._cleaning.callback(self._empty, name)
        enabled = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)
        return name

    def _empty(self, bucket: str) -> None:
        s3 = self.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for each in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])

    def role(self, service: str, *allowed: tuple[str | list[str], str]) -> str:
        """Create a role that a service may assume, allowed actions on resources; return its ARN."""
        iam, name = self.client("iam"), self.name(f"{service.partition('.')[0]}-role")
        trust = statement(Principal={"Service": service}, Action="sts:AssumeRole")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self._cleaning.callback(iam.delete_role, RoleName=name)
        if allowed:
            pairs = [{"Action": action, "Resource": resource} for action, resource in allowed]
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=statement(*pairs))
            self._cleaning.callback(iam.delete_role_policy, RoleName=name, PolicyName="p")
        if self.place.is_aws:
            time.sleep(_NEW_ROLE_SECONDS)
        return arn

    def queue(self, end: str = "queue", sender: str = "") -> tuple[str, str]:
        """Create a queue that a service may send to, and return its URL and ARN."""
        sqs, name = self.client("sqs"), self.name(end)
        arn = self.arn("sqs", name)
        allowed = statement(Principal={"Service": sender}, Action="sqs:SendMessage", Resource=arn)
        attributes = {"Policy": allowed} if sender else {}
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.later(sqs.delete_queue, QueueUrl=url)
        return url, arn

    def message(self, url: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for a message and take it from its queue."""
        sqs = self.client("sqs")
        found: list[dict[str, Any]] = self.until(
            lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), seconds
        )
        sqs.delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
        return found[0]


def statement(*statements: dict[str, Any], **only: Any) -> str:
    """Write a policy that allows what the statements, or the members of the only one, say."""
    given = statements or (only,)
    allowed = [{"Effect": "Allow", **each} for each in given]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed})


def refused(call: Callable[..., Any], **parameters: Any) -> str:
    """Return the code of the error with which a call is refused."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return str(error.value.response["Error"]["Code"])
