"""Which wildcards an action needs, and whom a policy serves."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.checks.factories import assembly, found, resource

ACCOUNT = "arn:aws:sagemaker:eu-west-1:111122223333"


def rules(folder: Path, kind: str, field: str, statement: dict[str, Any]) -> set[str]:
    document = {"Statement": [{"Effect": "Allow", **statement}]}
    resources = {"P": resource(kind, **{field: document})}
    return {rule for rule, _ in found(assembly(folder, resources)) if rule != "hard-coded"}


@pytest.mark.parametrize(
    ("action", "target", "expected"),
    [
        ("xray:PutTraceSegments", "*", set()),
        ("ecr:GetAuthorizationToken", "*", set()),
        ("newservice:NewAction", "*", set()),
        ("sagemaker:DescribeModel", "*", {"iam-wildcard-resource[*]"}),
        ("sagemaker:DescribeModel", f"{ACCOUNT}:model/*", {"iam-wildcard-resource[model/*]"}),
        ("sagemaker:DescribeModel", f"{ACCOUNT}:model/abalone-*", set()),
        ("s3:GetObject", "arn:aws:s3:::*", {"iam-wildcard-resource[*]"}),
        ("s3:GetObject", "arn:aws:s3:::data/*", set()),
        ("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"}, set()),
        ("s3:Get*", "arn:aws:s3:::data", {"iam-wildcard-action[s3:Get*]"}),
        ("cloudwatch:PutMetricData", "*", {"iam-namespace"}),
    ],
)
def test_a_wildcard_is_one_that_its_action_needs(
    tmp_path: Path, action: str, target: Any, expected: set[str]
) -> None:
    statement = {"Action": action, "Resource": target}
    assert rules(tmp_path, "AWS::IAM::Policy", "PolicyDocument", statement) == expected


@pytest.mark.parametrize(
    ("target", "service", "is_exact"),
    [
        ({"Fn::GetAtt": ["Role", "Arn"]}, "sagemaker.amazonaws.com", True),
        ("arn:aws:iam::111122223333:role/one", "sagemaker.amazonaws.com", True),
        ("arn:aws:iam::111122223333:role/one-*", "sagemaker.amazonaws.com", False),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "*", False),
    ],
)
def test_roles_are_passed_by_name_to_a_service(
    tmp_path: Path, target: Any, service: str, is_exact: bool
) -> None:
    condition = {"StringEquals": {"iam:PassedToService": service}}
    statement = {"Action": ["iam:passrole"], "Resource": target, "Condition": condition}
    found = rules(tmp_path, "AWS::IAM::Policy", "PolicyDocument", statement)
    assert ("iam-pass-role" not in found) is is_exact


@pytest.mark.parametrize(
    ("service", "condition", "expected"),
    [
        ("lambda.amazonaws.com", {}, set()),
        ("states.amazonaws.com", {}, {"iam-trust"}),
        ("states.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "1"}}, set()),
        ("states.amazonaws.com", {"ArnLike": {"AWS:SourceArn": "arn:aws:x"}}, set()),
    ],
)
def test_services_that_say_for_whom_they_act_are_asked(
    tmp_path: Path, service: str, condition: dict[str, Any], expected: set[str]
) -> None:
    statement = {"Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = {**statement, **({"Condition": condition} if condition else {})}
    assert rules(tmp_path, "AWS::IAM::Role", "AssumeRolePolicyDocument", trust) == expected


def test_everybody_may_be_confined_by_a_condition(tmp_path: Path) -> None:
    statement = {"Principal": {"AWS": "*"}, "Action": "sqs:SendMessage", "Resource": "*"}
    policy = ("AWS::SQS::QueuePolicy", "PolicyDocument")
    assert rules(tmp_path, *policy, statement) == {"public-policy"}
    confined = {**statement, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    assert rules(tmp_path, *policy, confined) == set()
