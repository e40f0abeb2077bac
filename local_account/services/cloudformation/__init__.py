"""CloudFormation: stacks, and each resource type as calls to the account's own APIs."""

from collections.abc import Mapping

from local_account.services.cloudformation import (
    buckets,
    builds,
    functions,
    identity,
    messaging,
    operation,
    pipelines,
    repositories,
    storage,
    workflows,
)
from local_account.services.cloudformation.plane import CloudFormation
from local_account.services.cloudformation.resource_type import Created, Properties, ResourceType

__all__ = ["RESOURCE_TYPES", "CloudFormation", "Created", "Properties", "ResourceType"]

RESOURCE_TYPES: Mapping[str, ResourceType] = {
    **buckets.RESOURCE_TYPES,
    **builds.RESOURCE_TYPES,
    **functions.RESOURCE_TYPES,
    **identity.RESOURCE_TYPES,
    **messaging.RESOURCE_TYPES,
    **operation.RESOURCE_TYPES,
    **pipelines.RESOURCE_TYPES,
    **repositories.RESOURCE_TYPES,
    **storage.RESOURCE_TYPES,
    **workflows.RESOURCE_TYPES,
    "AWS::CDK::Metadata": ResourceType(lambda account, name, _: Created(name)),
}
