"""CloudFormation: resource types and properties that moto lacks, as calls to the account's APIs."""

from collections.abc import Callable, Mapping

from local_account.service import Account
from local_account.services.cloudformation import identity, messaging, operation, storage
from local_account.services.cloudformation.operation import state_machine_definition
from local_account.services.cloudformation.resource_type import Created, Properties, ResourceType
from local_account.services.cloudformation.storage import complete_bucket

__all__ = [
    "BEFORE_DELETE",
    "RESOURCE_TYPES",
    "UPDATES",
    "Created",
    "Properties",
    "ResourceType",
    "complete_bucket",
    "state_machine_definition",
]

RESOURCE_TYPES: Mapping[str, ResourceType] = {
    **storage.RESOURCE_TYPES,
    **messaging.RESOURCE_TYPES,
    **identity.RESOURCE_TYPES,
    **operation.RESOURCE_TYPES,
}
UPDATES: Mapping[str, Callable[[Account, str, Properties], None]] = {
    "AWS::Logs::LogGroup": storage.update_log_group,
    "AWS::SQS::Queue": messaging.update_queue,
}
"""How resources of moto's types are changed in place, where moto does it badly."""
BEFORE_DELETE: Mapping[str, Callable[[Account, str, Properties], None]] = {
    "AWS::ECR::Repository": storage.empty_repository,
}
