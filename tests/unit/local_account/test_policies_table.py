"""The table of accesses speaks of what exists, and of all that is answered."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Secrets
from botocore.session import get_session
from werkzeug.test import create_environ

import local_account.authorization
from local_account import parity
from local_account.authorization.accesses import Accesses
from local_account.authorization.documents import Access
from local_account.authorization.guard import Guard
from local_account.authorization.identities import NotAssumable
from local_account.authorization.principals import Principal
from local_account.authorization.replay import exercised, load, replay
from local_account.operations import SIGNED, Call
from local_account.service import Account, ServiceError

ACCOUNT = "123456789012"
TABLE = tomllib.loads(
    Path(local_account.authorization.__file__).with_name("accesses.toml").read_text()
)
ACCESSES = Accesses(ACCOUNT, "us-east-1", lambda kind, name: name)
MEMBER = re.compile(r"\{([\w.\[\]]+)(?::\w+)?\}")  # not those that have a default
OF_ACCOUNT = {"account"}


def _signed(service: str) -> str:
    return "monitoring" if service == "cloudwatch" else service


def _models(service: str) -> list[Any]:
    names = SIGNED.get(_signed(service), (service,))
    return [get_session().get_service_model(name) for name in names]


def _templates(entry: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the operations of a service, each with a text that names members."""
    found = [(op, text) for text, ops in entry["resources"].items() for op in ops.split()]
    found += [(op, text) for op, texts in entry.get("also", {}).items() for text in texts]
    found += [(op, f"{{{each.split()[1]}}}") for op, each in entry.get("each", {}).items()]
    return found + [(op, "") for op in entry.get("free", "").split()]


@pytest.mark.parametrize("service", TABLE)
def test_every_operation_and_member_of_the_table_exists(service: str) -> None:
    models = _models(service)
    wrong = []
    for operation, text in _templates(TABLE[service]):
        shapes = [
            model.operation_model(operation).input_shape
            for model in models
            if operation in model.operation_names
        ]
        if not shapes:
            wrong.append(operation)
            continue
        given = re.findall(r" if (\S+)", text)
        for path in {*MEMBER.findall(text), *given} - OF_ACCOUNT:
            shape: Any = shapes[0]
            for name in path.split("."):
                shape = shape.members.get(name.removesuffix("[]")) if shape else None
                shape = shape.member if shape and name.endswith("[]") else shape
            if shape is None:
                wrong.append(f"{operation}: {path}")
    assert wrong == []


def test_the_table_lists_the_operations_that_are_answered_and_no_others() -> None:
    known = {
        (_signed(service), operation)
        for service, entry in TABLE.items()
        for operation, _ in _templates(entry)
    }
    answered = {
        (service, operation)
        for service, rows in parity.operations().items()
        for operation, row in rows.items()
        if row.level != parity.REFUSED
    }
    assert sorted(answered - known) == [], "accesses.toml lacks them"
    assert sorted(known - answered) == [], "accesses.toml has them, parity/operations.toml not"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:us-east-1:{ACCOUNT}:{resource}"


ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, ["s3:GetObject arn:aws:s3:::b/k"]),
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "k", "VersionId": "v"},
            ["s3:GetObjectVersion arn:aws:s3:::b/k"],
        ),
        (
            "s3",
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "/a/x%20y?versionId=1"},
            ["s3:PutObject arn:aws:s3:::b/k"],  # its source: tests/account/test_authorization.py
        ),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "1"}, {"Key": "2", "VersionId": "v"}]}},
            ["s3:DeleteObject arn:aws:s3:::b/1", "s3:DeleteObjectVersion arn:aws:s3:::b/2"],
        ),
        (
            "sagemaker",
            "CreateTrainingJob",
            {"TrainingJobName": "Job", "RoleArn": ROLE, "Tags": [{"Key": "k", "Value": "v"}]},
            [
                f"sagemaker:CreateTrainingJob {_arn('sagemaker', 'training-job/job')}",
                f"iam:PassRole {ROLE}",
                f"sagemaker:AddTags {_arn('sagemaker', 'training-job/job')}",
            ],
        ),
        (
            "sagemaker",
            "UpdateEndpoint",
            {"EndpointName": "e", "EndpointConfigName": "c"},
            [
                f"sagemaker:UpdateEndpoint {_arn('sagemaker', 'endpoint/e')}",
                f"sagemaker:UpdateEndpoint {_arn('sagemaker', 'endpoint-config/c')}",
            ],
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f", "Qualifier": "live"},
            [f"lambda:InvokeFunction {_arn('lambda', 'function:f:live')}"],
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": _arn("lambda", "function:f")},
            [f"lambda:InvokeFunction {_arn('lambda', 'function:f')}"],
        ),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": f"http://127.0.0.1:1/{ACCOUNT}/q"},
            [f"sqs:SendMessage {_arn('sqs', 'q')}"],
        ),
        (
            "events",
            "PutEvents",
            {"Entries": [{}, {"EventBusName": "other"}]},
            [f"events:PutEvents {_arn('events', 'event-bus/other')}"],
        ),
        (
            "events",
            "PutRule",
            {"Name": "r", "EventBusName": "other"},
            [f"events:PutRule {_arn('events', 'rule/other/r')}"],
        ),
        ("events", "PutRule", {"Name": "r"}, [f"events:PutRule {_arn('events', 'rule/r')}"]),
        (
            "scheduler",
            "CreateSchedule",
            {"Name": "s", "Target": {"RoleArn": ROLE}},
            [
                f"scheduler:CreateSchedule {_arn('scheduler', 'schedule/default/s')}",
                f"iam:PassRole {ROLE}",
            ],
        ),
        (
            "logs",
            "CreateLogStream",
            {"logGroupName": "/g", "logStreamName": "s"},
            [f"logs:CreateLogStream {_arn('logs', 'log-group:/g:log-stream:s')}"],
        ),
        (
            "ssm",
            "GetParameter",
            {"Name": "/a/b"},
            [f"ssm:GetParameter {_arn('ssm', 'parameter/a/b')}"],
        ),
        ("ssm", "GetParameter", {"Name": "a"}, [f"ssm:GetParameter {_arn('ssm', 'parameter/a')}"]),
        (
            "ssm",
            "GetParameters",
            {"Names": ["/a:1", _arn("ssm", "parameter/a:label")]},
            [f"ssm:GetParameters {_arn('ssm', 'parameter/a')}"] * 2,
        ),
        (
            "cloudformation",
            "DeleteStack",
            {"StackName": "s", "RoleARN": ROLE},
            [
                f"cloudformation:DeleteStack {_arn('cloudformation', 'stack/s/*')}",
                f"iam:PassRole {ROLE}",
            ],
        ),
        (
            "budgets",
            "CreateBudget",
            {"AccountId": ACCOUNT, "Budget": {"BudgetName": "b"}},
            [f"budgets:ModifyBudget arn:aws:budgets::{ACCOUNT}:budget/b"],
        ),
        ("monitoring", "PutMetricData", {"Namespace": "N"}, ["cloudwatch:PutMetricData *"]),
        ("sts", "GetCallerIdentity", {}, []),
    ],
)
def test_what_a_request_needs(
    service: str, operation: str, params: dict[str, Any], expected: list[str]
) -> None:
    accesses = ACCESSES.of(Call(service, operation, params))
    assert accesses is not None
    assert [f"{access.action} {access.resource}" for access in accesses] == expected


def test_condition_keys_come_from_the_request() -> None:
    def of(*call: Any) -> list[Access]:
        return ACCESSES.of(Call(*call)) or []

    assert of("monitoring", "PutMetricData", {"Namespace": "N"})[0].context == {
        "cloudwatch:namespace": ("N",)
    }
    listing = of("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "in/", "MaxKeys": 5})
    assert listing[0].context == {"s3:prefix": ("in/",), "s3:max-keys": ("5",)}
    created = of("states", "CreateStateMachine", {"name": "m", "roleArn": ROLE})
    assert created[1].context == {"iam:passedtoservice": ("states.amazonaws.com",)}
    tagged = of(
        "dynamodb", "TagResource", {"ResourceArn": "arn:x", "Tags": [{"Key": "K", "Value": "v"}]}
    )
    assert tagged[0].context == {"aws:requesttag/k": ("v",), "aws:tagkeys": ("K",)}


def test_an_operation_that_is_not_in_the_table_has_no_accesses() -> None:
    assert ACCESSES.of(Call("s3", "PutBucketWebsite", {})) is None
    assert ACCESSES.of(Call("ec2", "RunInstances", {})) is None


@pytest.fixture
def account(tmp_path: Path) -> Account:
    from moto.backends import get_backend

    iam: Any = get_backend("iam")[ACCOUNT]["aws"]
    iam.roles.clear()
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    only = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    role = iam.create_role(
        role_name="trusting",
        assume_role_policy_document=_document(
            {**trust, "Action": "sts:AssumeRole", "Condition": only}
        ),
        path="/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
    )
    grant = {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*"}
    aws_only = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    role.policies["grants"] = _document({**grant, "Condition": aws_only})
    return Account(
        ACCOUNT, "us-east-1", "http://127.0.0.1:1", "AKIAOWN", "secret", tmp_path, tmp_path
    )


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


TRUSTING = f"arn:aws:iam::{ACCOUNT}:role/trusting"


def test_a_service_assumes_a_role_that_trusts_it(account: Account) -> None:
    of_role = account.identities.of_role
    credentials = of_role(TRUSTING, "lambda.amazonaws.com", "a function")
    assert of_role(TRUSTING, "lambda.amazonaws.com", "a function") == credentials
    assert of_role(TRUSTING, "lambda.amazonaws.com", "another") != credentials
    identity = account.identities.identify(credentials.access_key_id)
    assert identity is not None
    assert identity[0].arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/trusting/a-function"
    assert identity[1] == credentials


@pytest.mark.parametrize(
    ("role", "service"), [(TRUSTING, "states.amazonaws.com"), (ROLE, "lambda.amazonaws.com")]
)
def test_a_role_that_does_not_trust_a_service_is_not_assumed(
    account: Account, role: str, service: str
) -> None:
    with pytest.raises(NotAssumable, match=f"{role}: its trust policy does not allow"):
        account.identities.of_role(role, service, "session")


def test_what_no_request_shows_is_required(account: Account) -> None:
    context = {"kms:GrantIsForAWSResource": "true"}
    require = account.identities.require
    require(TRUSTING, "kms:CreateGrant", "*", "sagemaker.amazonaws.com", context=context)
    with pytest.raises(ServiceError, match="assumed-role/trusting/sagemaker is not authorized"):
        require(TRUSTING, "kms:CreateGrant", "*", "sagemaker.amazonaws.com")


def test_what_a_named_policy_of_a_resource_allows_is_exercised(account: Account) -> None:
    """The policies of the logs have names of their own, which are not their resource's."""
    from moto.backends import get_backend

    backend: Any = get_backend("logs")[ACCOUNT]["us-east-1"]
    service = {"Service": "events.amazonaws.com"}
    allowed = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
    backend.put_resource_policy("named", _document({**allowed, "Principal": service}))
    resource = _arn("logs", "log-group:/g:log-stream:s")
    events = Principal("service", "events.amazonaws.com")
    account.identities.engine.judge(events, Access("logs:PutLogEvents", resource))
    lines, policies = load(account.state)
    assert lines[-1]["by"] == [["resource", "named", 0]]
    assert exercised(lines) == {(resource, "named", 0): 1}
    assert replay(lines, policies, without=(resource, "named", 0)) == lines


def _signed_by_session(account: Account, seconds: int) -> dict[str, Any]:
    """Return a request that is signed now by a session which ends in some seconds."""
    from moto.backends import get_backend

    backend: Any = get_backend("sts")[ACCOUNT]["aws"]
    asked = {"role_session_name": "s", "role_arn": TRUSTING, "policy": "", "external_id": ""}
    session = backend.assume_role(region_name="us-east-1", duration=seconds, **asked)
    secrets = (session.access_key_id, session.secret_access_key, session.session_token)
    request: Any = AWSRequest("GET", f"{account.url}/")
    SigV4Auth(Secrets(*secrets), "states", "us-east-1").add_auth(request)
    return create_environ("/", account.url, headers=dict(request.headers.items()))


def test_a_session_is_over_when_its_time_is(account: Account) -> None:
    guard = Guard(account)
    assert guard.admit(_signed_by_session(account, 900))[0].identity_arn == TRUSTING
    with pytest.raises(ServiceError, match="ExpiredTokenException: The security token"):
        guard.admit(_signed_by_session(account, -1))
    of_service = account.identities.of_role(TRUSTING, "lambda.amazonaws.com", "long")
    assert not account.identities.is_over(of_service.access_key_id)


def test_a_service_acts_as_itself(account: Account) -> None:
    credentials = account.identities.of_service("events.amazonaws.com", "arn:aws:events:a")
    assert account.identities.of_service("events.amazonaws.com", "arn:aws:events:a") == credentials
    identity = account.identities.identify(credentials.access_key_id)
    assert identity is not None
    assert (identity[0].kind, identity[0].arn) == ("service", "events.amazonaws.com")
