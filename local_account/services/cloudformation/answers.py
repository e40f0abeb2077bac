"""CloudFormation: how stacks are shown, in the shapes of its API."""

from collections.abc import Sequence
from typing import Any

from local_account.services import paging
from local_account.services.cloudformation.stacks import Stack, Version

_PAGE = 100


def page(items: Sequence[Any], token: str | None) -> tuple[list[Any], str | None]:
    """Return a page of a listing, and the token of the next one."""
    return paging.page(items, token, _PAGE, "ValidationError")


def parameters_of(version: Version) -> list[dict[str, Any]]:
    """Return the parameters of a version, secrets hidden."""
    found = []
    for name, text in version.parameters.items():
        slot = version.template["Parameters"][name]
        hidden = str(slot.get("NoEcho", "")).lower() == "true"
        parameter = {"ParameterKey": name, "ParameterValue": "****" if hidden else text}
        if slot["Type"].startswith("AWS::SSM::Parameter::Value<"):
            value = version.values[name]
            parameter["ResolvedValue"] = ",".join(value) if isinstance(value, list) else value
        found.append(parameter)
    return found


def tags_of(version: Version) -> list[dict[str, str]]:
    """Return the tags of a version."""
    return [{"Key": key, "Value": value} for key, value in version.tags.items()]


def stack(found: Stack) -> dict[str, Any]:
    """Return a stack as DescribeStacks has it."""
    return {
        "StackId": found.stack_id,
        "StackName": found.name,
        "Description": found.version.template.get("Description"),
        "Parameters": parameters_of(found.version),
        "CreationTime": found.created_at,
        "LastUpdatedTime": found.updated_at,
        "DeletionTime": found.deleted_at,
        "RollbackConfiguration": {},
        "StackStatus": found.status,
        "StackStatusReason": found.status_reason or None,
        "DisableRollback": bool(found.options.get("DisableRollback")),
        "NotificationARNs": [],
        "Capabilities": found.options.get("Capabilities", []),
        "Outputs": [
            {
                "OutputKey": each.key,
                "OutputValue": each.value,
                "Description": each.description,
                "ExportName": each.export,
            }
            for each in found.outputs
        ],
        "RoleARN": found.options.get("RoleARN"),
        "Tags": tags_of(found.version),
        "EnableTerminationProtection": found.protected,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def resources(found: Stack) -> list[dict[str, Any]]:
    """Return the resources of a stack, as the operations that show them have them."""
    return [
        {
            "StackName": found.name,
            "StackId": found.stack_id,
            "LogicalResourceId": event["LogicalResourceId"],
            "PhysicalResourceId": event["PhysicalResourceId"],
            "ResourceType": event["ResourceType"],
            "Timestamp": event["Timestamp"],
            "LastUpdatedTimestamp": event["Timestamp"],
            "ResourceStatus": event["ResourceStatus"],
            "ResourceStatusReason": event["ResourceStatusReason"],
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
        for event in found.latest.values()
    ]
