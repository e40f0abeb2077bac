"""CloudFormation: roles and policies."""

from collections.abc import Iterator
from functools import partial

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    request,
    tags_of,
    text,
)

_APART = ("Policies", "ManagedPolicyArns")
_POLICY_VERSIONS = 5


def _create_role(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(account, "iam", "CreateRole", properties, without=_APART)
    role = account.client("iam").create_role(**parameters)["Role"]
    _complete_role(account, name, properties)
    return Created(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _complete_role(account: Account, name: str, properties: Properties) -> None:
    """Make a role's own and attached policies those that the template names."""
    iam = account.client("iam")
    policies = {each["PolicyName"]: each for each in properties.get("Policies", [])}
    for policy_name, policy in policies.items():
        document = text(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=document)
    wanted = set(_attachable(properties))
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    for arn in wanted - {policy["PolicyArn"] for policy in attached}:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)


def _attachable(properties: Properties) -> Iterator[str]:
    # AWS's own policies are not in this account
    arns = properties.get("ManagedPolicyArns", [])
    return (arn for arn in arns if not arn.startswith("arn:aws:iam::aws:"))


def _update_role(account: Account, name: str, properties: Properties) -> None:
    iam = account.client("iam")
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=text(properties["AssumeRolePolicyDocument"])
    )
    iam.update_role(
        RoleName=name,
        Description=properties.get("Description", ""),
        MaxSessionDuration=int(properties.get("MaxSessionDuration", 3600)),
    )
    if boundary := properties.get("PermissionsBoundary"):
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    elif "PermissionsBoundary" in iam.get_role(RoleName=name)["Role"]:
        iam.delete_role_permissions_boundary(RoleName=name)
    had = {tag["Key"] for tag in iam.list_role_tags(RoleName=name)["Tags"]}
    iam.untag_role(RoleName=name, TagKeys=sorted(had - set(tags_of(properties))))
    iam.tag_role(RoleName=name, Tags=properties.get("Tags", []))
    _complete_role(account, name, properties)


def _delete_role(account: Account, name: str, _: Properties) -> None:
    iam = account.client("iam")

    def delete() -> None:
        for policy_name in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy_name)
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)

    delete_if_there(delete)


def _principals(properties: Properties) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what kind of principal a policy is for, and the parameter that names it."""
    for key, kind, parameter in (("Roles", "role", "RoleName"), ("Users", "user", "UserName")):
        for principal in properties.get(key, []):
            yield kind, {parameter: principal}


def _put_inline_policy(account: Account, name: str, properties: Properties) -> Created:
    iam, policy_name = account.client("iam"), properties["PolicyName"]
    document = text(properties["PolicyDocument"])
    for kind, principal in _principals(properties):
        put = getattr(iam, f"put_{kind}_policy")
        put(**principal, PolicyName=policy_name, PolicyDocument=document)
    return Created(policy_name)


def _delete_inline_policy(account: Account, name: str, properties: Properties) -> None:
    for kind, principal in _principals(properties):
        delete = getattr(account.client("iam"), f"delete_{kind}_policy")
        delete_if_there(partial(delete, **principal, PolicyName=name))


def _create_policy(account: Account, name: str, properties: Properties) -> Created:
    iam = account.client("iam")
    apart = {"ManagedPolicyName", "Roles", "Users", "Groups"}
    given = {key: value for key, value in properties.items() if key not in apart}
    parameters = request(account, "iam", "CreatePolicy", {**given, "PolicyName": name})
    arn = iam.create_policy(**parameters)["Policy"]["Arn"]
    _attach(account, arn, properties)
    return Created(arn, {"PolicyArn": arn})


def _attach(account: Account, arn: str, properties: Properties) -> None:
    for kind, principal in _principals(properties):
        getattr(account.client("iam"), f"attach_{kind}_policy")(**principal, PolicyArn=arn)


def _update_policy(account: Account, arn: str, properties: Properties) -> None:
    iam = account.client("iam")
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    older = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
    if len(versions) == _POLICY_VERSIONS:
        iam.delete_policy_version(PolicyArn=arn, VersionId=older[0])
    document = text(properties["PolicyDocument"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    _attach(account, arn, properties)


def _delete_policy(account: Account, arn: str, _: Properties) -> None:
    iam = account.client("iam")

    def delete() -> None:
        holders = iam.list_entities_for_policy(PolicyArn=arn)
        for role in holders["PolicyRoles"]:
            iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
        for user in holders["PolicyUsers"]:
            iam.detach_user_policy(UserName=user["UserName"], PolicyArn=arn)
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=arn)

    delete_if_there(delete)


RESOURCE_TYPES = {
    "AWS::IAM::Role": ResourceType(
        _create_role,
        _delete_role,
        _update_role,
        name_property="RoleName",
        attributes=frozenset({"Arn", "RoleId"}),
        replaced_by=frozenset({"RoleName", "Path"}),
    ),
    "AWS::IAM::Policy": ResourceType(
        _put_inline_policy, _delete_inline_policy, replaced_by=frozenset({"PolicyName"})
    ),
    "AWS::IAM::ManagedPolicy": ResourceType(
        _create_policy,
        _delete_policy,
        _update_policy,
        name_property="ManagedPolicyName",
        attributes=frozenset({"PolicyArn"}),
        replaced_by=frozenset({"ManagedPolicyName", "Path", "Description"}),
    ),
}
