"""What replaces a resource is what CloudFormation's registry schemas say it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_account.services.cloudformation import RESOURCE_TYPES

# from the registry schemas that cfn-lint 1.58.0 carries (us-east-1): createOnlyProperties,
# conditionalCreateOnlyProperties ("conditional") and the names of the properties
SCHEMAS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "account/registry_schemas.json").read_text()
)
MODELLED = sorted(set(RESOURCE_TYPES) - {"AWS::CDK::Metadata"})
# create-only properties that no request of the account's takes: refused by name
NOT_TAKEN = {
    "AWS::DynamoDB::Table": {"ImportSourceSpecification"},
    "AWS::Lambda::Function": {"TenancyConfig"},
    "AWS::S3::Bucket": {"BucketNamePrefix", "BucketNamespace"},
}


@pytest.mark.parametrize("kind", MODELLED)
def test_create_only_properties_replace_the_resource(kind: str) -> None:
    schema = SCHEMAS[kind]
    create_only = {name for name in schema["create_only"] if not _covered(name, schema)}
    replaced_by = RESOURCE_TYPES[kind].replaced_by | NOT_TAKEN.get(kind, set())
    assert create_only <= replaced_by
    assert replaced_by <= create_only | set(schema.get("conditional", []))


def _covered(name: str, schema: dict[str, Any]) -> bool:
    """Tell whether a property is part of one that is create-only as a whole."""
    return name.rpartition(".")[0] in schema["create_only"]


@pytest.mark.parametrize("kind", MODELLED)
def test_names_are_properties_of_the_type(kind: str) -> None:
    resource_type, known = RESOURCE_TYPES[kind], set(SCHEMAS[kind]["properties"])
    assert {name.partition(".")[0] for name in resource_type.replaced_by} <= known
    assert {resource_type.name_property} - {""} <= known
