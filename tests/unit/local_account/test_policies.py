"""Policies are evaluated as AWS documents it."""

import json
from typing import Any

import pytest

from local_account.authorization.conditions import PolicyError
from local_account.authorization.decision import Decision, Policies, decide
from local_account.authorization.documents import Access, statements
from local_account.authorization.engine import common_context
from local_account.authorization.principals import Principal, session_arn

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/Worker"
SESSION = session_arn(ROLE, "s")
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
WORKER = Principal("role", SESSION, ROLE)
USER = Principal(
    "user",
    f"arn:aws:iam::{ACCOUNT}:user/ann",
    f"arn:aws:iam::{ACCOUNT}:user/ann",
    {"aws:username": "ann"},
)
ADMINISTRATOR = Principal("account", ROOT)
EVENTS = Principal(
    "service", "events.amazonaws.com", context={"aws:SourceArn": "arn:aws:events:r:1:rule/a"}
)
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
READ = Access("s3:GetObject", "arn:aws:s3:::bucket/home/ann/a.csv")


def _document(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def _allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**_allow(action, resource, **more), "Effect": "Deny"}


def _decide(
    access: Access = READ,
    principal: Principal = WORKER,
    *,
    identity: tuple[dict[str, Any], ...] = (),
    resource: tuple[dict[str, Any], ...] = (),
    boundary: tuple[dict[str, Any], ...] | None = None,
    session: tuple[dict[str, Any], ...] | None = None,
) -> Decision:
    policies = Policies(
        {"identity": _document(*identity)} if identity else {},
        {"resource": _document(*resource)} if resource else {},
        None if boundary is None else {"boundary": _document(*boundary)},
        None if session is None else {"session": _document(*session)},
    )
    context = common_context(principal, ACCOUNT, "us-east-1") | dict(access.context)
    return decide(principal, access, policies, context, ACCOUNT)


def _on(resource: str) -> Access:
    return Access("any:Thing", resource)


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObjectVersion", True),
        ("s3:*", "sqs:SendMessage", False),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:GetObject?", "s3:GetObject", False),
        ("s3:GetObject", "s3:GetObjectVersion", False),
        ("*", "iam:PassRole", True),
        ("s?:Get.*", "s3:GetObject", False),
    ],
)
def test_actions(pattern: str, action: str, matches: bool) -> None:
    assert _decide(Access(action, "*"), identity=(_allow(pattern),)).allowed == matches


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b/c", True),
        ("arn:aws:s3:::bucket/*/train/*", "arn:aws:s3:::bucket/2026-01-01T10:00/train/a:b", True),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", False),
        ("arn:aws:s3:::Bucket", "arn:aws:s3:::bucket", False),
        ("arn:aws:sqs:*:1:q", "arn:aws:sqs:us-east-1:1:q", True),
        ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:1:q", True),
        ("arn:aws:sqs:us-*1:1:q", "arn:aws:sqs:us-east-1:1:q:1:1:q", False),
        ("arn:aws:logs:*:*:log-group:/a:*", "arn:aws:logs:r:1:log-group:/a:log-stream:b", True),
        ("arn:aws:logs:*:*:log-group:/a", "arn:aws:logs:r:1:log-group:/a:log-stream:b", False),
        ("arn:aws:lambda:r:1:function:f", "arn:aws:lambda:r:1:function:f:live", False),
        ("arn:aws:lambda:r:1:function:f*", "arn:aws:lambda:r:1:function:f:live", True),
        ("arn:aws:s3:::?ucket", "arn:aws:s3:::bucket", True),
        ("arn:aws:s3:::b[u]cket", "arn:aws:s3:::bucket", False),
    ],
)
def test_resources(pattern: str, resource: str, matches: bool) -> None:
    assert _decide(_on(resource), identity=(_allow(resource=pattern),)).allowed == matches


def test_the_opposites_of_actions_and_resources() -> None:
    others = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"}
    assert _decide(identity=(others,)).allowed
    assert not _decide(Access("iam:PassRole", ROLE), identity=(others,)).allowed
    assert not _decide(Access("s3:GetObject", "arn:aws:s3:::secret/a"), identity=(others,)).allowed


HOME = "arn:aws:s3:::bucket/home/${aws:username}/*"


@pytest.mark.parametrize(
    ("principal", "pattern", "version", "allowed"),
    [
        (USER, HOME, "2012-10-17", True),
        (USER, HOME, "2008-10-17", False),
        (WORKER, HOME, "2012-10-17", False),
        (WORKER, "arn:aws:s3:::bucket/home/${aws:username, 'ann'}/*", "2012-10-17", True),
        (USER, "arn:aws:s3:::bucket/home/ann/${*}", "2012-10-17", False),
    ],
)
def test_policy_variables(principal: Principal, pattern: str, version: str, allowed: bool) -> None:
    policies = Policies({"p": _document(_allow(resource=pattern), version=version)})
    context = common_context(principal, ACCOUNT, "us-east-1")
    assert decide(principal, READ, policies, context, ACCOUNT).allowed == allowed


def test_a_wildcard_in_the_value_of_a_variable_is_none() -> None:
    star = Principal("user", "u", "u", {"aws:username": "*"})
    assert not _decide(READ, star, identity=(_allow(resource=HOME),)).allowed


G = {"s3:prefix": ("in/",), "aws:tagkeys": ("a", "b"), "s3:max-keys": ("5",)}


@pytest.mark.parametrize(
    ("operator", "key", "values", "holds"),
    [
        ("StringEquals", "s3:prefix", ["out/", "in/"], True),
        ("StringEquals", "S3:Prefix", "in/", True),
        ("StringEquals", "s3:prefix", "in*", False),
        ("StringEquals", "s3:delimiter", "/", False),
        ("StringEqualsIfExists", "s3:delimiter", "/", True),
        ("StringNotEquals", "s3:prefix", ["out/", "in/"], False),
        ("StringNotEquals", "s3:delimiter", "/", True),
        ("StringEqualsIgnoreCase", "s3:prefix", "IN/", True),
        ("StringNotEqualsIgnoreCase", "s3:prefix", "IN/", False),
        ("StringLike", "s3:prefix", "i?*", True),
        ("StringNotLike", "s3:prefix", "out*", True),
        ("NumericLessThanEquals", "s3:max-keys", 5, True),
        ("NumericLessThan", "s3:max-keys", "5", False),
        ("NumericGreaterThan", "s3:max-keys", "4.5", True),
        ("NumericNotEquals", "s3:max-keys", "4", True),
        ("NumericEquals", "s3:prefix", "4", False),
        ("DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z", True),
        ("DateLessThan", "aws:CurrentTime", "2020-01-01T00:00:00Z", False),
        ("Bool", "aws:SecureTransport", True, True),
        ("Bool", "aws:SecureTransport", "false", False),
        ("Null", "s3:delimiter", "true", True),
        ("Null", "s3:prefix", True, False),
        ("Null", "s3:prefix", "false", True),
        ("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "127.0.0.0/8"], True),
        ("NotIpAddress", "aws:SourceIp", "127.0.0.1", False),
        ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/path/W*", True),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:*:role/path/Worker", False),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], False),
        ("ForAllValues:StringEquals", "s3:delimiter", ["a"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["b"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["c"], False),
        ("ForAnyValue:StringEquals", "s3:delimiter", ["a"], False),
        ("ForAllValues:StringNotEquals", "aws:TagKeys", ["c"], True),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], True),
        ("ForAnyValue:StringLikeIfExists", "s3:delimiter", ["a"], True),
    ],
)
def test_conditions(operator: str, key: str, values: Any, holds: bool) -> None:
    access = Access("s3:ListBucket", "b", {**G, "aws:currenttime": ("2026-01-01T00:00:00+00:00",)})
    allowed = _allow(Condition={operator: {key: values}})
    assert _decide(access, identity=(allowed,)).allowed == holds


def test_all_conditions_of_a_statement_must_hold() -> None:
    access = Access("s3:ListBucket", "b", G)
    both = {"StringEquals": {"s3:prefix": "in/", "s3:delimiter": "/"}}
    assert not _decide(access, identity=(_allow(Condition=both),)).allowed


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (_allow(Condition={"StringResembles": {"s3:prefix": "a"}}), "StringResembles"),
        (_allow(Condition={"ForSomeValues:StringLike": {"s3:prefix": "a"}}), "ForSomeValues"),
        (_allow(Conditions={}), "Conditions"),
        ({"Effect": "Maybe", "Action": "*"}, "Maybe"),
    ],
)
def test_what_is_not_known_is_named(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        statements(_document(entry))


def test_a_condition_key_of_which_nothing_is_known_is_named() -> None:
    odd = _allow(Condition={"StringEquals": {"ec2:Vpc": "a"}})
    with pytest.raises(PolicyError, match="The policy identity cannot be judged: .*ec2:vpc"):
        _decide(identity=(odd,))
    assert not _decide(identity=({**odd, "Action": "ec2:RunInstances"},)).allowed


def _trusting(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "*", **more}


BY_ROLE, BY_SESSION = {"AWS": ROLE}, {"AWS": [SESSION]}
IDENTITY, RESOURCE = "because no identity-based policy", "because no resource-based policy"


@pytest.mark.parametrize(
    ("policies", "reason"),
    [
        ({}, IDENTITY),
        ({"identity": (_allow(),)}, ""),
        ({"identity": (_allow(), _deny())}, "with an explicit deny in an identity-based policy"),
        ({"resource": (_trusting(BY_ROLE),)}, ""),
        ({"resource": (_trusting({"AWS": ROOT}),)}, IDENTITY),
        ({"resource": (_trusting({"AWS": ACCOUNT}),), "identity": (_allow(),)}, ""),
        ({"resource": (_trusting("*"),)}, ""),
        ({"resource": (_trusting({"AWS": "arn:aws:iam::1:role/Worker"}),)}, IDENTITY),
        (
            {"identity": (_allow(),), "resource": (_trusting("*", "Deny"),)},
            "with an explicit deny in a resource-based policy",
        ),
        (
            {"identity": (_allow(),), "resource": (_trusting({"AWS": ROOT}, "Deny"),)},
            "with an explicit deny in a resource-based policy",
        ),
        ({"identity": (_allow(),), "boundary": (_allow("s3:*"),)}, ""),
        (
            {"identity": (_allow(),), "boundary": (_allow("ec2:*"),)},
            "because no permissions boundary",
        ),
        ({"boundary": (_allow(),)}, IDENTITY),
        ({"identity": (_allow(),), "boundary": ()}, "because no permissions boundary"),
        ({"resource": (_trusting(BY_ROLE),), "boundary": ()}, "because no permissions boundary"),
        ({"resource": (_trusting(BY_SESSION),), "boundary": ()}, ""),
        (
            {"resource": (_trusting(BY_SESSION),), "boundary": (_deny(),)},
            "with an explicit deny in a permissions boundary",
        ),
        ({"identity": (_allow(),), "session": (_allow("s3:Get*"),)}, ""),
        ({"identity": (_allow(),), "session": (_allow("sqs:*"),)}, "because no session policy"),
        ({"session": (_allow(),)}, IDENTITY),
        ({"resource": (_trusting(BY_ROLE),), "session": ()}, "because no session policy"),
        ({"resource": (_trusting(BY_SESSION),), "session": ()}, ""),
    ],
)
def test_the_order_of_evaluation(policies: dict[str, Any], reason: str) -> None:
    decision = _decide(**policies)
    assert decision.allowed == (not reason)
    assert decision.reason.startswith(reason)


def test_not_principal_names_everybody_else() -> None:
    others = {"Effect": "Deny", "NotPrincipal": {"AWS": SESSION}, "Action": "*"}
    assert _decide(identity=(_allow(),), resource=(others,)).allowed
    assert not _decide(READ, USER, identity=(_allow(),), resource=(others,)).allowed


@pytest.mark.parametrize(
    ("principal", "key_policy", "identity", "reason"),
    [
        (WORKER, _trusting(BY_ROLE), (), ""),
        (WORKER, _trusting({"AWS": ROOT}), (), IDENTITY),
        (WORKER, _trusting({"AWS": ROOT}), (_allow("kms:Decrypt", KEY),), ""),
        (WORKER, _trusting({"AWS": "arn:aws:iam::1:root"}), (_allow(),), RESOURCE),
        (ADMINISTRATOR, _trusting({"AWS": ROOT}), (), ""),
        (ADMINISTRATOR, _trusting(BY_ROLE), (), RESOURCE),
        (EVENTS, _trusting({"Service": "events.amazonaws.com"}), (), ""),
        (EVENTS, _trusting({"AWS": ROOT}), (), RESOURCE),
    ],
)
def test_a_key_policy_must_allow(
    principal: Principal, key_policy: Any, identity: Any, reason: str
) -> None:
    access = Access("kms:Decrypt", KEY)
    decision = _decide(access, principal, identity=identity, resource=(key_policy,))
    assert decision.allowed == (not reason)
    assert decision.reason.startswith(reason)


ASSUME = Access("sts:AssumeRole", ROLE)
SOURCE = {"ArnEquals": {"aws:SourceArn": "arn:aws:events:r:1:rule/a"}}
OTHER = {"StringEquals": {"aws:SourceAccount": "1"}}


@pytest.mark.parametrize(
    ("principal", "trust", "identity", "allowed"),
    [
        (EVENTS, _trusting({"Service": "events.amazonaws.com"}), (), True),
        (EVENTS, _trusting({"Service": ["events.amazonaws.com"]}, Condition=SOURCE), (), True),
        (EVENTS, _trusting({"Service": "events.amazonaws.com"}, Condition=OTHER), (), False),
        (EVENTS, _trusting({"Service": "lambda.amazonaws.com"}), (), False),
        (ADMINISTRATOR, _trusting({"AWS": ROOT}), (), True),
        (ADMINISTRATOR, _trusting({"Service": "events.amazonaws.com"}), (), False),
        (USER, _trusting({"AWS": ROOT}), (), False),
        (USER, _trusting({"AWS": ROOT}), (_allow("sts:AssumeRole", ROLE),), True),
        (USER, _trusting({"AWS": USER.arn}), (), True),
        (USER, _trusting({"Service": "events.amazonaws.com"}), (_allow(),), False),
    ],
)
def test_a_trust_policy_must_allow(
    principal: Principal, trust: Any, identity: Any, allowed: bool
) -> None:
    assert _decide(ASSUME, principal, identity=identity, resource=(trust,)).allowed == allowed


def test_a_service_needs_a_policy_of_the_resource() -> None:
    queue = Access("sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q")
    service = {"Service": "events.amazonaws.com"}
    assert not _decide(queue, EVENTS).allowed
    assert _decide(queue, EVENTS, resource=(_trusting(service, Condition=SOURCE),)).allowed
    assert not _decide(queue, EVENTS, resource=(_trusting(service, Condition=OTHER),)).allowed


def test_a_deny_of_a_resource_binds_the_administrator() -> None:
    assert _decide(READ, ADMINISTRATOR).allowed
    assert not _decide(READ, ADMINISTRATOR, resource=(_trusting("*", "Deny"),)).allowed


def test_a_decision_names_the_statements_that_made_it() -> None:
    decision = _decide(identity=(_allow("sqs:*"), _allow("s3:*")), resource=(_trusting(BY_ROLE),))
    assert decision.by == (("identity", "identity", 1), ("resource", "resource", 0))
    denied = _decide(identity=(_allow(), _deny("s3:GetObject")))
    assert denied.by == (("identity", "identity", 1),)
