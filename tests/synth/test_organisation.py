"""What an organisation wants of everything in its account: roles, tags, the CDK's own stack."""

import json
from typing import Any

from stacks.constructs.organisation import key_values, mandatory_tags
from stacks.settings import AccountSettings, ProjectSettings
from tests.synth import variants
from tests.synth.assembly import Assembly, of_type, resolved

LONGEST_REGION_NAME = "ap-southeast-1"
# They have no tags; policies, permissions and subscriptions are parts of what has.
UNTAGGED = {
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Policy",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}


def roles(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return {
        name: role
        for template in assembly.templates.values()
        for name, role in of_type(template, "AWS::IAM::Role").items()
    }


def tags(properties: dict[str, Any]) -> dict[str, str]:
    found = properties.get("Tags") or properties.get("ResourceTags") or []
    return found if isinstance(found, dict) else {tag["Key"]: tag["Value"] for tag in found}


def test_every_role_has_the_boundary_the_path_and_the_prefix(organisation: Assembly) -> None:
    for name, role in roles(organisation).items():
        assert role["PermissionsBoundary"] == variants.BOUNDARY, name
        assert role["Path"] == "/mlops/", name
        assert resolved(role["RoleName"]).startswith("mlops-"), name


def test_role_names_are_one_s_own_in_every_region_and_short_enough(
    organisation: Assembly,
) -> None:
    found = [resolved(role["RoleName"]) for role in roles(organisation).values()]
    assert len(set(found)) == len(found)
    for name in found:
        assert name.endswith("-AWS::Region")
        assert len(name.replace("AWS::Region", LONGEST_REGION_NAME)) <= 64


def test_an_unset_account_leaves_roles_to_cloudformation(dev: Assembly) -> None:
    for name, role in roles(dev).items():
        assert role.keys() == {"AssumeRolePolicyDocument", "Tags"}, name


def test_every_resource_has_the_tags_unless_it_cannot_have_any(organisation: Assembly) -> None:
    for template in organisation.templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] not in UNTAGGED:
                found = tags(resource.get("Properties", {}))
                assert found.get("cost-center") == "1234", name
                assert found.get("owner") == "Team One", name
                assert found.get("project"), name


def test_the_stacks_themselves_have_the_tags(organisation: Assembly) -> None:
    manifest = json.loads((organisation.folder / "manifest.json").read_text())
    stacks = [a for a in manifest["artifacts"].values() if a["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == 3
    for stack in stacks:
        assert {"cost-center", "owner", "project"} == stack["properties"]["tags"].keys()


def test_the_stacks_are_deployed_by_the_roles_of_the_qualifier(
    dev: Assembly, organisation: Assembly
) -> None:
    for assembly, qualifier in ((dev, "hnb659fds"), (organisation, "mlops")):
        manifest = json.loads((assembly.folder / "manifest.json").read_text())
        for artifact in manifest["artifacts"].values():
            if artifact["type"] == "aws:cloudformation:stack":
                assert f"/cdk-{qualifier}-deploy-role-" in artifact["properties"]["assumeRoleArn"]
                parameter = artifact["properties"]["bootstrapStackVersionSsmParameter"]
                assert parameter == f"/cdk-bootstrap/{qualifier}/version"


def test_the_organisation_s_own_project_tag_stays(existing: Assembly) -> None:
    (queue,) = of_type(existing.training, "AWS::SQS::Queue").values()
    assert tags(queue) == {"Project": "of the company"}


def test_tags_are_listed_as_requests_list_them() -> None:
    project = ProjectSettings(name="shells")
    account = AccountSettings(tags={"owner": "me", "cost-center": "1"})
    assert mandatory_tags(project, account) == {
        "project": "shells",
        "owner": "me",
        "cost-center": "1",
    }
    assert key_values({"b": "2", "a": "1"}) == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "2"},
    ]


def test_jobs_get_network_interfaces_only_where_there_is_a_vpc(
    dev: Assembly, organisation: Assembly
) -> None:
    def may(assembly: Assembly) -> set[str]:
        return {
            policy["Roles"][0]["Ref"][:-8]
            for policy in of_type(assembly.training, "AWS::IAM::Policy").values()
            if "ec2:CreateNetworkInterface" in json.dumps(policy)
        }

    assert may(dev) == set()
    assert may(organisation) == {
        "ValidationJobRole",
        "TrainingJobRole",
        "EvaluationJobRole",
        "ModelExecutionRole",
    }
