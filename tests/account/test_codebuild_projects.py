"""CodeBuild's projects: created, changed, refused, and of a stack."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.codebuild_fixture import (
    ENVIRONMENT,
    Builder,
    builder,
    direct,
    spec,
)
from tests.account.stacks import change, resource

__all__ = ["builder", "direct"]  # fixtures
REFUSED = "InvalidInputException"
NOT_MODELLED = "UnsupportedOperation"


def test_projects_are_changed_listed_and_deleted(builder: Builder) -> None:
    created = builder.project("kept", spec(build=["true"]), tags=[{"key": "a", "value": "b"}])
    assert created["arn"] == "arn:aws:codebuild:us-east-1:123456789012:project/kept"
    assert (created["timeoutInMinutes"], created["queuedTimeoutInMinutes"]) == (60, 480)
    with pytest.raises(ClientError, match="Project already exists: arn:aws:codebuild") as error:
        builder.project("kept", spec(build=["true"]))
    assert error.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"
    client = builder.client
    changed = client.update_project(name="kept", description="other", timeoutInMinutes=5)
    assert changed["project"]["description"] == "other"
    assert changed["project"]["source"] == created["source"]
    found = client.batch_get_projects(names=[created["arn"], "none"])
    assert found["projectsNotFound"] == ["none"]
    assert found["projects"][0]["timeoutInMinutes"] == 5
    assert "kept" in client.list_projects()["projects"]
    client.delete_project(name="kept")
    client.delete_project(name="kept")
    with pytest.raises(ClientError, match="Project cannot be found: arn:aws:codebuild") as error:
        builder.start("kept")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            {"source": {"type": "GITHUB"}},
            NOT_MODELLED,
            "the source type GITHUB; expected one of NO_SOURCE, S3, CODECOMMIT, CODEPIPELINE",
        ),
        ({"source": {"type": "S3"}}, REFUSED, "Project source location is required"),
        ({"source": {"type": "NO_SOURCE"}}, REFUSED, "needs an inline buildspec"),
        ({"vpcConfig": {"vpcId": "v"}}, NOT_MODELLED, "does not model vpcConfig"),
        (
            {"serviceRole": "arn:aws:iam::123456789012:role/none"},
            REFUSED,
            "CodeBuild is not authorized to perform: sts:AssumeRole on arn:aws:iam",
        ),
        (
            {"environment": {**ENVIRONMENT, "type": "ARM_CONTAINER"}},
            NOT_MODELLED,
            "the environment type ARM_CONTAINER; expected LINUX_CONTAINER",
        ),
        ({"artifacts": {"type": "CODEPIPELINE"}}, REFUSED, "must both be of type CODEPIPELINE"),
        ({"name": "a b"}, REFUSED, "must satisfy regular expression pattern"),
    ],
)
def test_a_project_that_is_refused(
    builder: Builder, more: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError, match=message) as error:
        builder.project(more.pop("name", "refused"), spec(build=["true"]), **more)
    assert error.value.response["Error"]["Code"] == code
    assert builder.client.batch_get_projects(names=["refused"])["projects"] == []


def test_a_project_of_a_stack(builder: Builder) -> None:
    def project(**properties: Any) -> dict[str, Any]:
        return {
            "Project": resource(
                "AWS::CodeBuild::Project",
                Name="of-a-stack",
                ServiceRole=builder.role,
                Source={"Type": "NO_SOURCE", "BuildSpec": spec(build=["echo of a stack"])},
                Artifacts={"Type": "NO_ARTIFACTS"},
                Environment={
                    "Type": "LINUX_CONTAINER",
                    "Image": "aws/codebuild/standard:7.0",
                    "ComputeType": "BUILD_GENERAL1_SMALL",
                    "PrivilegedMode": "true",
                    "EnvironmentVariables": [{"Name": "A", "Value": "b"}],
                },
                **properties,
            )
        }

    outputs = {
        "Name": {"Value": {"Ref": "Project"}},
        "Arn": {"Value": {"Fn::GetAtt": "Project.Arn"}},
    }
    logs = {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": "of-a-stack"}}
    whole = project(
        Description="kept",
        TimeoutInMinutes=20,
        Cache={"Type": "LOCAL", "Modes": ["LOCAL_CUSTOM_CACHE"]},
        LogsConfig=logs,
        Tags=[{"Key": "team", "Value": "a"}],
    )
    template = {"Resources": whole, "Outputs": outputs}
    stack = change(builder.account, "with-builds", template, "CREATE")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    told = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert told["Name"] == "of-a-stack"
    (made,) = builder.client.batch_get_projects(names=[told["Arn"]])["projects"]
    assert (made["description"], made["timeoutInMinutes"]) == ("kept", 20)
    assert made["environment"]["privilegedMode"] is True
    assert made["tags"] == [{"key": "team", "value": "a"}]
    build = builder.ended(builder.start("of-a-stack"))
    assert build["logs"]["groupName"] == "of-a-stack"
    assert builder.printed(build) == ["of a stack"]
    change(builder.account, "with-builds", {"Resources": project()})
    (changed,) = builder.client.batch_get_projects(names=["of-a-stack"])["projects"]
    assert (changed.get("description", ""), changed["timeoutInMinutes"]) == ("", 60)
    assert (changed["cache"], changed["tags"]) == ({"type": "NO_CACHE"}, [])
    builder.account.client("cloudformation").delete_stack(StackName="with-builds")
    assert builder.client.batch_get_projects(names=["of-a-stack"])["projects"] == []
