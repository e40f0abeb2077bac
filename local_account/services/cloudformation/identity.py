"""CloudFormation: roles and policies."""

from collections.abc import Iterator
from functools import partial

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    put_all,
    request,
    retag,
    text,
)

_APART = ("Policies", "ManagedPolicyArns")
_POLICY_VERSIONS = 5


def _create_role(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(account, "iam", "CreateRole", properties, without=_APART)
    role = account.client("iam").create_role(**parameters)["Role"]
    return Created(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _update_role(account: Account, name: str, properties: Properties, former: Properties) -> None:
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
    elif former.get("PermissionsBoundary"):
        iam.delete_role_permissions_boundary(RoleName=name)
    retag(iam, properties, former, "TagRole", "UntagRole", RoleName=name)


def _configure_role(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    """Make a role's own and attached policies those that the template names."""
    iam = account.client("iam")
    wanted = {each["PolicyName"]: each for each in properties.get("Policies", [])}
    for policy_name, policy in wanted.items():
        document = text(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=document)
    for policy in former.get("Policies", []):
        if policy["PolicyName"] not in wanted:
            iam.delete_role_policy(RoleName=name, PolicyName=policy["PolicyName"])
    attached, had = (set(each.get("ManagedPolicyArns", [])) for each in (properties, former))
    for arn in sorted(had - attached):
        delete_if_there(partial(iam.detach_role_policy, RoleName=name, PolicyArn=arn))
    for arn in sorted(attached - had):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)


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


def _create_inline_policy(account: Account, name: str, properties: Properties) -> Created:
    def only(holder: tuple[str, str]) -> Properties:
        return {**properties, "Roles": [], "Users": [], holder[0]: [holder[1]]}

    put_all(
        [(key, each) for key in ("Roles", "Users") for each in properties.get(key, [])],
        lambda holder: _put_inline_policy(account, name, only(holder), {}),
        lambda holder: _delete_inline_policy(account, name, only(holder)),
    )
    return Created(name, {"Id": name})


def _put_inline_policy(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    iam, policy_name = account.client("iam"), properties["PolicyName"]
    document, wanted = text(properties["PolicyDocument"]), list(_principals(properties))
    for kind, principal in wanted:
        put = getattr(iam, f"put_{kind}_policy")
        put(**principal, PolicyName=policy_name, PolicyDocument=document)
    same_name = former.get("PolicyName") == policy_name
    for kind, principal in _principals(former):
        if not (same_name and (kind, principal) in wanted):
            delete = getattr(iam, f"delete_{kind}_policy")
            delete_if_there(partial(delete, **principal, PolicyName=former["PolicyName"]))


def _delete_inline_policy(account: Account, name: str, properties: Properties) -> None:
    for kind, principal in _principals(properties):
        delete = getattr(account.client("iam"), f"delete_{kind}_policy")
        delete_if_there(partial(delete, **principal, PolicyName=properties["PolicyName"]))


def _create_policy(account: Account, name: str, properties: Properties) -> Created:
    apart = {"ManagedPolicyName", "Roles", "Users", "Groups"}
    given = {key: value for key, value in properties.items() if key not in apart}
    parameters = request(account, "iam", "CreatePolicy", {**given, "PolicyName": name})
    arn = account.client("iam").create_policy(**parameters)["Policy"]["Arn"]
    return Created(arn, {"PolicyArn": arn})


def _attach(account: Account, arn: str, properties: Properties, former: Properties) -> None:
    iam, wanted, had = account.client("iam"), list(_principals(properties)), _principals(former)
    for kind, principal in had:
        if (kind, principal) not in wanted:
            detach = getattr(iam, f"detach_{kind}_policy")
            delete_if_there(partial(detach, **principal, PolicyArn=arn))
    for kind, principal in wanted:
        getattr(iam, f"attach_{kind}_policy")(**principal, PolicyArn=arn)


def _update_policy(account: Account, arn: str, properties: Properties, former: Properties) -> None:
    iam = account.client("iam")
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    older = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
    if len(versions) == _POLICY_VERSIONS:
        iam.delete_policy_version(PolicyArn=arn, VersionId=older[0])
    document = text(properties["PolicyDocument"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)


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
        _configure_role,
        name_property="RoleName",
        attributes=frozenset({"Arn", "RoleId"}),
        replaced_by=frozenset({"RoleName", "Path"}),
    ),
    "AWS::IAM::Policy": ResourceType(
        _create_inline_policy,
        _delete_inline_policy,
        _put_inline_policy,
        attributes=frozenset({"Id"}),
    ),
    "AWS::IAM::ManagedPolicy": ResourceType(
        _create_policy,
        _delete_policy,
        _update_policy,
        _attach,
        name_property="ManagedPolicyName",
        attributes=frozenset({"PolicyArn"}),
        replaced_by=frozenset({"ManagedPolicyName", "Path", "Description"}),
    ),
}
