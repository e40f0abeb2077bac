"""Every request is judged by the policies of who signed it, and of what it is for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.authorization.replay import exercised, load, replay, statements_of
from tests.conftest import RunningAccount

ACCOUNT = "123456789012"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
VERSIONED = {"Status": "Enabled"}
Clients = Callable[..., Any]


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions.split(), "Resource": resource, **more}


def _trust(principal: Any = ROOT, **more: Any) -> str:
    return _document(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more}
    )


def _session(account: RunningAccount, name: str, limit: str = "") -> Clients:
    """Return what makes the clients of a session of a role."""
    limits = {"Policy": limit} if limit else {}
    return account.assumed(f"arn:aws:iam::{ACCOUNT}:role/{name}", **limits)


def _role(account: RunningAccount, name: str, *statements: dict[str, Any], **more: Any) -> Clients:
    """Make a role that is allowed this much, and assume it."""
    iam = account.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_trust(), **more)
    if statements:
        document = _document(*statements)
        iam.put_role_policy(RoleName=name, PolicyName="its", PolicyDocument=document)
    return _session(account, name)


def _refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    error = refused.value.response
    message = error["Error"].get("Message", "")
    return error["Error"]["Code"], message, error["ResponseMetadata"]["HTTPStatusCode"]


NOTHING: tuple[tuple[str, str, dict[str, Any], str, int], ...] = (
    ("s3", "put_object", {"Bucket": "judged", "Key": "k"}, "AccessDenied", 403),
    ("s3", "head_object", {"Bucket": "judged", "Key": "k"}, "403", 403),
    ("iam", "get_role", {"RoleName": "nothing"}, "AccessDenied", 403),
    ("cloudformation", "describe_stacks", {}, "AccessDenied", 403),
    (
        "sns",
        "publish",
        {"TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": "m"},
        "AuthorizationError",
        403,
    ),
    ("sqs", "get_queue_url", {"QueueName": "q"}, "AccessDenied", 403),
    ("cloudwatch", "describe_alarms", {}, "AccessDenied", 403),
    (
        "dynamodb",
        "get_item",
        {"TableName": "t", "Key": {"pk": {"S": "a"}}},
        "AccessDeniedException",
        400,
    ),
    ("sagemaker", "list_models", {}, "AccessDeniedException", 400),
    ("stepfunctions", "list_state_machines", {}, "AccessDeniedException", 400),
    ("events", "list_rules", {}, "AccessDeniedException", 400),
    ("logs", "describe_log_groups", {}, "AccessDeniedException", 400),
    ("ecr", "get_authorization_token", {}, "AccessDeniedException", 400),
    ("kms", "list_keys", {}, "AccessDeniedException", 400),
    ("ssm", "get_parameter", {"Name": "/p"}, "AccessDeniedException", 400),
    (
        "budgets",
        "describe_budget",
        {"AccountId": ACCOUNT, "BudgetName": "b"},
        "AccessDeniedException",
        400,
    ),
    ("lambda", "list_functions", {}, "AccessDeniedException", 403),
    ("scheduler", "list_schedules", {}, "AccessDeniedException", 403),
    (
        "sagemaker-runtime",
        "invoke_endpoint",
        {"EndpointName": "e", "Body": b""},
        "AccessDeniedException",
        400,
    ),
)


@pytest.fixture(scope="module")
def nobody(account: RunningAccount) -> Clients:
    account.client("s3").create_bucket(Bucket="judged")
    return _role(account, "nothing")


@pytest.mark.parametrize(("service", "operation", "parameters", "code", "status"), NOTHING)
def test_a_role_without_policies_may_do_nothing(
    nobody: Clients,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    code: str,
    status: int,
) -> None:
    found_code, message, found_status = _refused(getattr(nobody(service), operation), **parameters)
    assert (found_code, found_status) == (code, status)
    if operation != "head_object":  # its answer has no body
        who = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/nothing/tested is not authorized"
        assert message.startswith(f"{who} to perform: ")
        assert "because no identity-based policy allows the " in message


def test_anybody_may_ask_who_they_are(nobody: Clients) -> None:
    identity = nobody("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/nothing/tested"


def test_a_role_may_do_what_its_policy_says_and_no_more(account: RunningAccount) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="least")
    s3.put_object(Bucket="least", Key="in/a", Body=b"a")
    reader = _role(account, "reader", _allow("s3:GetObject", "arn:aws:s3:::least/in/*"))("s3")
    assert reader.get_object(Bucket="least", Key="in/a")["Body"].read() == b"a"
    code, message, _ = _refused(reader.get_object, Bucket="least", Key="out/a")
    assert code == "AccessDenied"
    assert 's3:GetObject on resource: "arn:aws:s3:::least/out/a" because no identity' in message
    # that an object is not there is told to those who may list the bucket
    assert _refused(reader.get_object, Bucket="least", Key="in/gone")[0] == "AccessDenied"
    lister = _role(
        account,
        "lister",
        _allow("s3:GetObject s3:ListBucket", "arn:aws:s3:::least*"),
    )("s3")
    assert _refused(lister.get_object, Bucket="least", Key="in/gone")[0] == "NoSuchKey"


def test_a_presigned_url_may_do_what_its_signer_may(account: RunningAccount) -> None:
    import urllib.error
    import urllib.request

    account.client("s3").create_bucket(Bucket="presigned")
    account.client("s3").put_object(Bucket="presigned", Key="a", Body=b"content")
    allowed = _role(account, "signer", _allow("s3:GetObject", "arn:aws:s3:::presigned/*"))
    where = {"Bucket": "presigned", "Key": "a"}
    url = allowed("s3", signature_version="s3v4").generate_presigned_url("get_object", where)
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - the account's own
        assert answer.read() == b"content"
    account.client("iam").delete_role_policy(RoleName="signer", PolicyName="its")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)  # noqa: S310 - the account's own
    assert refused.value.code == 403
    refused.value.close()


def test_a_session_without_its_token_is_nobody(account: RunningAccount) -> None:
    account.client("iam").create_role(RoleName="tokened", AssumeRolePolicyDocument=_trust())
    key = account.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/tokened", RoleSessionName="x1"
    )["Credentials"]
    tokenless = account.client("sts", key["AccessKeyId"], key["SecretAccessKey"])
    assert _refused(tokenless.get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_role_is_passed_only_by_who_may_pass_it_to_that_service(account: RunningAccount) -> None:
    passed = f"arn:aws:iam::{ACCOUNT}:role/passed"
    to = {"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}}
    creating = _allow("sagemaker:CreateModel")
    model = {"ModelName": "m", "ExecutionRoleArn": passed, "PrimaryContainer": {"Image": "i"}}
    wrong = _role(account, "passer", creating, _allow("iam:PassRole", passed, Condition=to))
    code, message, _ = _refused(wrong("sagemaker").create_model, **model)
    assert code == "AccessDeniedException"
    assert f"iam:PassRole on resource: {passed}" in message
    to = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    right = _role(account, "passer2", creating, _allow("iam:PassRole", passed, Condition=to))
    assert _refused(right("sagemaker").create_model, **model)[0] == "ValidationException"
    tagged = {**model, "Tags": [{"Key": "k", "Value": "v"}]}
    assert "sagemaker:AddTags" in _refused(right("sagemaker").create_model, **tagged)[1]


def test_a_boundary_and_a_session_policy_limit_what_a_role_may(account: RunningAccount) -> None:
    iam = account.client("iam")
    only_lists = _document(_allow("sagemaker:List*"))
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=only_lists)["Policy"]["Arn"]
    everything = _allow("sagemaker:* events:*")
    bounded = _role(account, "bounded", everything, PermissionsBoundary=boundary)
    bounded("sagemaker").list_models()
    _, message, _ = _refused(bounded("events").list_rules)
    assert "because no permissions boundary allows the events:ListRules action" in message
    _role(account, "limited", everything)
    limited = _session(account, "limited", only_lists)
    limited("sagemaker").list_models()
    _, message, _ = _refused(limited("events").list_rules)
    assert "because no session policy allows the events:ListRules action" in message


def test_a_bucket_policy_grants_and_denies(account: RunningAccount) -> None:
    s3, holder = account.client("s3"), {"AWS": f"arn:aws:iam::{ACCOUNT}:role/guest"}
    s3.create_bucket(Bucket="shared-with")
    s3.put_object(Bucket="shared-with", Key="a", Body=b"a")
    guest = _role(account, "guest")("s3")
    objects = "arn:aws:s3:::shared-with/*"
    granted = _allow("s3:GetObject", objects, Principal=holder)
    s3.put_bucket_policy(Bucket="shared-with", Policy=_document(granted))
    guest.get_object(Bucket="shared-with", Key="a")
    denied = {**granted, "Effect": "Deny", "Principal": "*"}
    s3.put_bucket_policy(Bucket="shared-with", Policy=_document(granted, denied))
    for reader in (guest, s3):  # a Deny binds the account's administrator too
        _, message, _ = _refused(reader.get_object, Bucket="shared-with", Key="a")
        assert message.endswith("with an explicit deny in a resource-based policy")


def test_reading_what_a_key_encrypts_needs_the_key(account: RunningAccount) -> None:
    s3, kms = account.client("s3"), account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="encrypted")
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rule = {"ApplyServerSideEncryptionByDefault": by_key, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(
        Bucket="encrypted", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    objects = _allow("s3:GetObject s3:PutObject", "arn:aws:s3:::encrypted/*")
    via = {
        "StringEquals": {
            "kms:ViaService": "s3.us-east-1.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::encrypted",
        }
    }
    writes = _allow("kms:GenerateDataKey", key, Condition=via)
    writer = _role(account, "writer", objects, writes)("s3")
    writer.put_object(Bucket="encrypted", Key="a", Body=b"a")
    _, message, _ = _refused(writer.get_object, Bucket="encrypted", Key="a")
    assert f"kms:Decrypt on resource: {key} because no identity-based policy" in message
    # a key policy that does not name the account shuts its identities out
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=_document())
    _, message, _ = _refused(writer.put_object, Bucket="encrypted", Key="b", Body=b"b")
    assert "because no resource-based policy allows the kms:GenerateDataKey action" in message


def test_a_copy_needs_the_source_that_it_names(account: RunningAccount) -> None:
    s3, kms = account.client("s3"), account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="copied")
    s3.put_bucket_versioning(Bucket="copied", VersioningConfiguration=VERSIONED)
    by_key = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    version = s3.put_object(Bucket="copied", Key="in/a b", Body=b"a", **by_key)["VersionId"]
    copies = _allow("s3:PutObject", "arn:aws:s3:::copied/out")
    reads = _allow("s3:GetObject", "arn:aws:s3:::copied/in/a b")
    copier = _role(account, "copier", copies, reads)("s3")
    source: dict[str, str] = {"Bucket": "copied", "Key": "in/a b"}
    where = {"Bucket": "copied", "Key": "out"}
    # the name is encoded by the client: the object is found, and with it its key
    assert (
        f"kms:Decrypt on resource: {key}"
        in _refused(copier.copy_object, CopySource=source, **where)[1]
    )
    of_version = {**source, "VersionId": version}
    message = _refused(copier.copy_object, CopySource=of_version, **where)[1]
    assert 's3:GetObjectVersion on resource: "arn:aws:s3:::copied/in/a b"' in message
    more = _document(_allow("kms:Decrypt", key), _allow("s3:GetObjectVersion"))
    account.client("iam").put_role_policy(RoleName="copier", PolicyName="more", PolicyDocument=more)
    copier.copy_object(CopySource=of_version, **where)
    copier.copy_object(CopySource=source, **where)


def test_versions_are_deleted_by_who_may_delete_versions(account: RunningAccount) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="deleted")
    s3.put_bucket_versioning(Bucket="deleted", VersioningConfiguration=VERSIONED)
    version = s3.put_object(Bucket="deleted", Key="a", Body=b"a")["VersionId"]
    marker = _role(account, "marker", _allow("s3:DeleteObject", "arn:aws:s3:::deleted/*"))("s3")
    both: Any = {"Objects": [{"Key": "b"}, {"Key": "a", "VersionId": version}]}
    message = _refused(marker.delete_objects, Bucket="deleted", Delete=both)[1]
    assert 's3:DeleteObjectVersion on resource: "arn:aws:s3:::deleted/a"' in message
    marker.delete_objects(Bucket="deleted", Delete={"Objects": [{"Key": "a"}]})
    assert s3.get_object(Bucket="deleted", Key="a", VersionId=version)["Body"].read() == b"a"


def test_a_role_is_assumed_only_by_whom_it_trusts(account: RunningAccount) -> None:
    trust = _trust({"Service": "lambda.amazonaws.com"})
    account.client("iam").create_role(RoleName="trusting", AssumeRolePolicyDocument=trust)
    code, message, _ = _refused(
        account.client("sts").assume_role,
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/trusting",
        RoleSessionName="x1",
    )
    assert code == "AccessDenied"
    assert "sts:AssumeRole on resource: arn:aws:iam::123456789012:role/trusting" in message


def test_an_item_is_reached_by_its_leading_key(account: RunningAccount) -> None:
    account.client("dynamodb").create_table(
        TableName="leading",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["mine#*"]}}
    owner = _role(account, "owner", _allow("dynamodb:GetItem", Condition=keys))("dynamodb")
    owner.get_item(TableName="leading", Key={"pk": {"S": "mine#1"}})
    refused = _refused(owner.get_item, TableName="leading", Key={"pk": {"S": "yours#1"}})
    assert refused[0] == "AccessDeniedException"


def test_the_policies_of_aws_are_known(account: RunningAccount) -> None:
    administrator = _role(account, "administrator")
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    account.client("iam").attach_role_policy(RoleName="administrator", PolicyArn=arn)
    administrator("sagemaker").list_models()


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({"StringResembles": {"aws:SourceIp": "1"}}, "operator StringResembles is not known"),
    ],
)
def test_a_policy_that_cannot_be_judged_is_not_stored(
    account: RunningAccount, condition: dict[str, Any], named: str
) -> None:
    document = _document(_allow("s3:GetObject", Condition=condition))
    create = account.client("iam").create_policy
    code, message, _ = _refused(create, PolicyName="unjudged", PolicyDocument=document)
    assert code == "MalformedPolicyDocument"
    assert named in message


def test_a_condition_key_that_no_request_has_is_named(account: RunningAccount) -> None:
    odd = {"StringEquals": {"ec2:Region": "us-east-1"}}
    asker = _role(account, "asker", _allow("sagemaker:ListModels", Condition=odd))
    code, message, _ = _refused(asker("sagemaker").list_models)
    assert code == "UnsupportedOperation"
    assert "ec2:region" in message


def test_an_operation_whose_permissions_are_not_known_is_refused_by_name(
    account: RunningAccount,
) -> None:
    asker = _role(account, "bold", _allow("*"))
    code, message, _ = _refused(asker("ssm").list_documents)
    assert code == "UnsupportedOperation"
    assert "ssm:ListDocuments" in message


def test_accesses_are_recorded_with_what_allowed_them(account: RunningAccount) -> None:
    recorded = _role(account, "recorded", _allow("events:ListRules"), _allow("sagemaker:List*"))
    role = f"arn:aws:iam::{ACCOUNT}:role/recorded"
    recorded("sagemaker").list_models()
    recorded("sagemaker").list_models()
    _refused(recorded("kms").list_keys)
    lines, policies = load(_state(account))
    mine = [line for line in lines if line["role_arn"] == role]
    assert [(line["action"], line["decision"], line["by"]) for line in mine] == [
        ("sagemaker:ListModels", "allowed", [["identity", "its", 1]]),
        ("kms:ListKeys", "denied", []),
    ]
    assert exercised(mine) == {(role, "its", 1): 1}
    of_role = [statement for statement, _ in statements_of(policies) if statement.holder == role]
    assert of_role == [(role, "its", 0), (role, "its", 1)]
    assert replay(mine, policies) == []
    assert replay(mine, policies, without=(role, "its", 0)) == []
    assert replay(mine, policies, without=(role, "its", 1)) == mine[:1]


def _state(account: RunningAccount) -> Path:
    return account.log.parent / "state"
