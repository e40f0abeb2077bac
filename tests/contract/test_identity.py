"""IAM, STS, KMS and parameters."""

import json
from typing import Any

import pytest

from tests.contract.account import Aws, refused, statement

READ = statement(Action="s3:GetObject", Resource="*")
WRITE = statement(Action="s3:PutObject", Resource="*")
TRUST = statement(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
ABSENT = "NoSuchEntity"


@pytest.mark.contract(
    *("iam:CreateRole", "iam:GetRole", "iam:ListRoles", "iam:UpdateRole", "iam:DeleteRole"),
    *("iam:TagRole", "iam:UntagRole", "iam:ListRoleTags", "iam:UpdateAssumeRolePolicy"),
    *("iam:PutRolePolicy", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:DeleteRolePolicy"),
)
def test_a_role_from_creation_to_deletion(aws: Aws) -> None:
    iam, role = aws.client("iam"), {"RoleName": aws.name("role")}
    made = iam.create_role(**role, AssumeRolePolicyDocument=TRUST, Path="/contract/")["Role"]
    aws.later(iam.delete_role, **role)
    assert made["Arn"] == f"arn:aws:iam::{aws.account_id}:role/contract/{role['RoleName']}"
    again = {**role, "AssumeRolePolicyDocument": TRUST}
    assert refused(iam.create_role, **again) == "EntityAlreadyExists"
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/contract/")
    assert role["RoleName"] in [each["RoleName"] for page in pages for each in page["Roles"]]
    iam.update_role(**role, Description="why", MaxSessionDuration=7200)
    iam.update_assume_role_policy(**role, PolicyDocument=TRUST.replace("lambda", "events"))
    found = iam.get_role(**role)["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("why", 7200)
    assert "events.amazonaws.com" in json.dumps(found["AssumeRolePolicyDocument"])
    iam.tag_role(**role, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_role(**role, TagKeys=["a"])
    assert iam.list_role_tags(**role)["Tags"] == [{"Key": "b", "Value": "2"}]
    inline = {**role, "PolicyName": "inline"}
    iam.put_role_policy(**inline, PolicyDocument=READ)
    aws.later(iam.delete_role_policy, **inline)
    assert iam.get_role_policy(**inline)["PolicyDocument"] == json.loads(READ)
    assert iam.list_role_policies(**role)["PolicyNames"] == ["inline"]
    assert refused(iam.delete_role, **role) == "DeleteConflict"
    iam.delete_role_policy(**inline)
    assert refused(iam.get_role_policy, **inline) == ABSENT
    iam.delete_role(**role)
    for call in (iam.get_role, iam.delete_role):
        assert refused(call, **role) == ABSENT


@pytest.mark.contract(
    *("iam:CreatePolicy", "iam:GetPolicy", "iam:CreatePolicyVersion", "iam:GetPolicyVersion"),
    *("iam:ListPolicyVersions", "iam:DeletePolicyVersion"),
    *("iam:AttachRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListEntitiesForPolicy"),
    *(
        "iam:DetachRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:DeleteRolePermissionsBoundary",
    ),
)
def test_a_managed_policy_from_creation_to_deletion(aws: Aws) -> None:
    iam, name = aws.client("iam"), aws.name("policy")
    arn = {"PolicyArn": iam.create_policy(PolicyName=name, PolicyDocument=READ)["Policy"]["Arn"]}
    aws.later(iam.delete_policy, **arn)
    twice = {"PolicyName": name, "PolicyDocument": READ}
    assert refused(iam.create_policy, **twice) == "EntityAlreadyExists"
    iam.create_policy_version(**arn, PolicyDocument=WRITE, SetAsDefault=True)
    assert iam.get_policy(**arn)["Policy"]["DefaultVersionId"] == "v2"
    second = iam.get_policy_version(**arn, VersionId="v2")["PolicyVersion"]
    assert second["Document"] == json.loads(WRITE)
    iam.delete_policy_version(**arn, VersionId="v1")
    left = iam.list_policy_versions(**arn)["Versions"]
    assert [each["VersionId"] for each in left] == ["v2"]

    role = {"RoleName": aws.role("lambda.amazonaws.com").rpartition("/")[2]}
    iam.attach_role_policy(**role, **arn)
    aws.later(iam.detach_role_policy, **role, **arn)
    attached = iam.list_attached_role_policies(**role)["AttachedPolicies"]
    assert attached == [{"PolicyName": name, **arn}]
    holders = iam.list_entities_for_policy(**arn)["PolicyRoles"]
    assert [each["RoleName"] for each in holders] == [role["RoleName"]]
    iam.detach_role_policy(**role, **arn)
    boundary = {"PermissionsBoundary": arn["PolicyArn"]}
    iam.put_role_permissions_boundary(**role, **boundary)
    kept = iam.get_role(**role)["Role"]["PermissionsBoundary"]
    assert kept["PermissionsBoundaryArn"] == arn["PolicyArn"]
    iam.delete_role_permissions_boundary(**role)
    assert "PermissionsBoundary" not in iam.get_role(**role)["Role"]
    iam.delete_policy(**arn)
    assert refused(iam.get_policy, **arn) == ABSENT
    assert refused(iam.attach_role_policy, **role, **arn) == ABSENT


@pytest.mark.contract("sts:GetCallerIdentity", "sts:AssumeRole")
def test_who_one_is_and_who_one_may_become(aws: Aws) -> None:
    sts = aws.client("sts")
    me = sts.get_caller_identity()
    assert me["Account"] == aws.account_id
    iam, name = aws.client("iam"), aws.name("role")
    trust = statement(Principal={"AWS": aws.account_id}, Action="sts:AssumeRole")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    aws.later(iam.delete_role, RoleName=name)

    def assumed() -> Any:
        try:
            return sts.assume_role(RoleArn=arn, RoleSessionName="session")
        except sts.exceptions.ClientError:
            return None  # IAM is eventually consistent

    answer = aws.until(assumed)
    assert answer["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{aws.account_id}:assumed-role/{name}/session"
    )
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    other = aws.role("lambda.amazonaws.com")
    as_nobody = {"RoleArn": other, "RoleSessionName": "session"}
    assert refused(sts.assume_role, **as_nobody) == "AccessDenied"


@pytest.mark.contract(
    *("kms:CreateKey", "kms:DescribeKey", "kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion"),
    *("kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:EnableKeyRotation", "kms:GetKeyRotationStatus"),
    *("kms:TagResource", "kms:UntagResource", "kms:ListResourceTags"),
)
@pytest.mark.costs("kms-key", 0.01)
def test_a_key_from_creation_to_deletion(aws: Aws) -> None:
    kms = aws.client("kms")
    key = {"KeyId": kms.create_key(Description="first")["KeyMetadata"]["KeyId"]}
    aws.later(kms.schedule_key_deletion, **key, PendingWindowInDays=7)
    kms.update_key_description(**key, Description="second")
    found = kms.describe_key(**key)["KeyMetadata"]
    assert (found["Description"], found["KeyState"], found["Arn"]) == (
        "second",
        "Enabled",
        aws.arn("kms", f"key/{key['KeyId']}"),
    )
    kms.enable_key_rotation(**key)
    assert kms.get_key_rotation_status(**key)["KeyRotationEnabled"] is True
    root = {"AWS": f"arn:aws:iam::{aws.account_id}:root"}
    policy = statement(Principal=root, Action="kms:*", Resource="*", Sid="Ours")
    kms.put_key_policy(**key, PolicyName="default", Policy=policy)
    assert "Ours" in kms.get_key_policy(**key, PolicyName="default")["Policy"]
    kms.tag_resource(
        **key, Tags=[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": "2"}]
    )
    kms.untag_resource(**key, TagKeys=["a"])
    assert kms.list_resource_tags(**key)["Tags"] == [{"TagKey": "b", "TagValue": "2"}]
    kms.schedule_key_deletion(**key, PendingWindowInDays=7)
    assert kms.describe_key(**key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert refused(kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000") == (
        "NotFoundException"
    )


@pytest.mark.contract(
    "ssm:PutParameter", "ssm:GetParameter", "ssm:GetParameterHistory", "ssm:DeleteParameter"
)
def test_a_parameter_from_creation_to_deletion(aws: Aws) -> None:
    ssm, name = aws.client("ssm"), {"Name": f"/{aws.prefix}/version"}
    ssm.put_parameter(**name, Type="String", Value="1")
    aws.later(ssm.delete_parameter, **name)
    again = {**name, "Type": "String", "Value": "2"}
    assert refused(ssm.put_parameter, **again) == "ParameterAlreadyExists"
    ssm.put_parameter(**again, Overwrite=True)
    found = ssm.get_parameter(**name)["Parameter"]
    assert (found["Value"], found["Version"]) == ("2", 2)
    former, current = ssm.get_parameter_history(**name)["Parameters"]
    assert (former["Value"], current["Value"]) == ("1", "2")
    assert former["LastModifiedDate"] <= current["LastModifiedDate"] == found["LastModifiedDate"]
    ssm.delete_parameter(**name)
    for call in (ssm.get_parameter, ssm.get_parameter_history, ssm.delete_parameter):
        assert refused(call, **name) == "ParameterNotFound"
