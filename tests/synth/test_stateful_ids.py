"""Names that CloudFormation knows stateful resources by: another one is another, empty resource."""

import pytest

from tests.synth.assembly import Assembly

STATEFUL = [
    ("storage", "Bucket83908E77", "AWS::S3::Bucket"),
    ("storage", "Key961B73FD", "AWS::KMS::Key"),
    ("storage", "Repository22E53BBD", "AWS::ECR::Repository"),
    ("storage", "ModelPackageGroup", "AWS::SageMaker::ModelPackageGroup"),
    ("training", "RunTable", "AWS::DynamoDB::Table"),
    ("training", "RunTopic", "AWS::SNS::Topic"),
    ("training", "DeadLetterQueue", "AWS::SQS::Queue"),
    ("model-code", "ModelCode", "AWS::CodeCommit::Repository"),
]


@pytest.mark.parametrize(("stack", "logical_id", "resource_type"), STATEFUL)
def test_what_holds_state_keeps_its_logical_id(
    dev: Assembly, stack: str, logical_id: str, resource_type: str
) -> None:
    resources = dev.templates[stack]["Resources"]
    assert resources.get(logical_id, {}).get("Type") == resource_type


def test_every_stateful_resource_is_in_the_list(dev: Assembly) -> None:
    types = {resource_type for _, _, resource_type in STATEFUL}
    found = {
        (stack, logical_id)
        for stack, template in dev.templates.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in types
    }
    assert found == {(stack, logical_id) for stack, logical_id, _ in STATEFUL}


def test_an_organisation_s_settings_change_no_logical_id(
    dev: Assembly, organisation: Assembly
) -> None:
    for stack, template in dev.templates.items():
        assert template["Resources"].keys() <= organisation.templates[stack]["Resources"].keys()
