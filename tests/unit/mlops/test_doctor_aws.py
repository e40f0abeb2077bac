"""What stands in the way of a deployment is found before it, each with what to do about it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore import exceptions as aws

from mlops import doctor_aws
from mlops.cdk import Cdk, cdk_of
from mlops.doctor import FAIL, OK, WARN, Finding
from mlops.doctor_aws import (
    check_bootstrap,
    check_connection,
    check_quotas,
    check_region,
    examine_aws,
    wanted_quotas,
)
from mlops.name_collisions import check_names
from mlops.project import Project
from mlops.target import Deployment, Target
from tests.unit.mlops.pipeline_factories import answer

SETTINGS = """
[project]
name = "example"
[training]
instance_type = "ml.m5.large"
spot = true
[training.processing]
instance_type = "ml.m5.xlarge"
[endpoint]
instance_type = "ml.t2.medium"
instance_count = 2
[environments.prod]
account.qualifier = "corp"
endpoint.instance_type = "ml.m5.large"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mlops.toml").write_text(SETTINGS)
    program = tmp_path / "node_modules" / ".bin" / "cdk"
    program.parent.mkdir(parents=True)
    program.touch()
    return Project(tmp_path, "example")


def _error(code: str, message: str = "words") -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def test_a_region_that_is_not_set_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    finding = check_region()
    assert (finding.status, finding.found) == (FAIL, "not set")
    assert "AWS_DEFAULT_REGION" in finding.remedy


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (_error("ExpiredToken"), "ExpiredToken: ", "renew them"),
        (_error("InvalidClientTokenId"), "does not know this access key", "renew them"),
        (aws.NoCredentialsError(), "no AWS credentials found", "`.venv/bin/aws configure`"),
    ],
)
def test_credentials_that_do_not_work_end_the_look(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception, found: str, remedy: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(doctor_aws, "find_target", fail)
    findings = list(examine_aws(project, "dev"))
    assert [each.check for each in findings] == ["region", "credentials"]
    assert findings[-1].status == FAIL
    assert found in findings[-1].found
    assert remedy in findings[-1].remedy


class Parameters:
    """Systems Manager with the version of one bootstrap."""

    exceptions = SimpleNamespace(ParameterNotFound=KeyError)

    def __init__(self, **versions: str) -> None:
        self.versions = versions

    def get_parameter(self, Name: str) -> dict[str, Any]:
        return {"Parameter": {"Value": self.versions[Name.split("/")[2]]}}


@pytest.mark.parametrize(
    ("env", "version", "status"),
    [("dev", "30", OK), ("dev", "5", FAIL), ("prod", "30", WARN)],
)
def test_the_bootstrap_of_the_qualifier_counts(
    project: Project, env: str, version: str, status: str
) -> None:
    target = cast("Target", SimpleNamespace(ssm=Parameters(hnb659fds=version)))
    finding = check_bootstrap(target, cdk_of(project, env))
    assert finding.status == status
    assert bool(finding.remedy) == (status != OK)
    if env == "prod":
        assert "`.venv/bin/mlops deploy --env prod`" in finding.remedy


def test_the_quotas_are_those_of_the_chosen_types(project: Project) -> None:
    assert wanted_quotas(project, "dev") == {
        "ml.m5.large for spot training job usage": 1,
        "ml.m5.xlarge for processing job usage": 1,
        "ml.t2.medium for endpoint usage": 4,
    }
    assert "ml.m5.large for endpoint usage" in wanted_quotas(project, "prod")


def test_a_quota_of_zero_is_a_failure_with_a_remedy(project: Project) -> None:
    quotas = [
        {"QuotaName": "ml.m5.large for spot training job usage", "Value": 0.0},
        {"QuotaName": "ml.m5.xlarge for processing job usage", "Value": 4.0},
    ]
    paginator = SimpleNamespace(paginate=lambda **request: [{"Quotas": quotas}])
    service_quotas = SimpleNamespace(get_paginator=lambda name: paginator)
    target = cast("Target", SimpleNamespace(service_quotas=service_quotas))
    training, processing, endpoint = check_quotas(target, project, "dev")
    assert (training.status, processing.status, endpoint.status) == (FAIL, OK, WARN)
    assert "request an increase: https://" in training.remedy
    assert "not listed" in endpoint.found


def test_what_cannot_be_looked_at_is_said(project: Project) -> None:
    def look() -> list[Finding]:
        raise _error("UnsupportedOperation", "not modelled here")

    (finding,) = doctor_aws._looked("service quotas", look)
    assert (finding.check, finding.status) == ("service quotas", WARN)
    assert finding.found.startswith("could not look: ")


def _connected(status: str) -> Deployment:
    arn = "arn:aws:codeconnections:us-east-1:123456789012:connection/1"
    connection = {"ConnectionName": "example-dev", "ConnectionStatus": status}

    def get_connection(ConnectionArn: str) -> dict[str, Any]:
        assert ConnectionArn == arn
        return answer("codeconnections", "GetConnection", {"Connection": connection})

    target = SimpleNamespace(
        region="us-east-1",
        stack_outputs={"example-dev-model-code": {"ConnectionArn": arn}}.get,
        codeconnections=SimpleNamespace(get_connection=get_connection),
    )
    return Deployment(Project(Path(), "example"), "dev", cast("Target", target))


@pytest.mark.parametrize(
    ("status", "expected", "remedy"),
    [
        ("PENDING", FAIL, "finish it in the console"),
        ("ERROR", FAIL, "delete it in the console"),
        ("AVAILABLE", OK, ""),
    ],
)
def test_a_connection_that_nobody_has_finished_is_a_failure(
    status: str, expected: str, remedy: str
) -> None:
    (finding,) = check_connection(_connected(status))
    assert finding.status == expected
    assert remedy in finding.remedy
    assert status in finding.found


def test_a_repository_in_the_account_needs_no_connection() -> None:
    outputs = {"example-dev-model-code": {"PipelineName": "p"}}
    for known in (outputs, {}):
        target = SimpleNamespace(stack_outputs=known.get)
        deployment = Deployment(Project(Path(), "example"), "dev", cast("Target", target))
        assert list(check_connection(deployment)) == []


TEMPLATES: dict[str, Any] = {
    "example-dev-storage": {
        "Resources": {
            "Repository": {
                "Type": "AWS::ECR::Repository",
                "Properties": {"RepositoryName": "models"},
            },
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        }
    },
    "example-dev-training": {
        "Resources": {},
        "Outputs": {"StagingEndpointName": {"Value": "example-staging"}},
    },
    "example-dev-model-code": {
        "Resources": {
            "Code": {
                "Type": "AWS::CodeCommit::Repository",
                "Properties": {"RepositoryName": "ModelCode"},
            }
        }
    },
}


def _account(stacks: Any, repositories: Any) -> Deployment:
    def absent(**request: Any) -> None:
        raise _error("ValidationException", "Could not find endpoint")

    target = SimpleNamespace(
        stack_outputs=lambda stack: None,
        cloudformation=SimpleNamespace(describe_stacks=stacks),
        ecr=SimpleNamespace(describe_repositories=repositories),
        sagemaker=SimpleNamespace(describe_endpoint=absent),
        codecommit=SimpleNamespace(get_repository=repositories),
    )
    return Deployment(Project(Path(), "example"), "dev", cast("Target", target))


def _raise(code: str, message: str) -> Any:
    def refuse(**request: Any) -> None:
        raise _error(code, message)

    return refuse


CDK = cast("Cdk", SimpleNamespace(template=TEMPLATES.__getitem__))


def test_free_names_are_said_to_be_free() -> None:
    deployment = _account(
        _raise("ValidationError", "Stack x does not exist"),
        _raise("RepositoryNotFoundException", "models does not exist"),
    )
    findings = list(check_names(deployment, CDK))
    assert {each.status for each in findings} == {OK}
    assert [each.check for each in findings][-3:] == [
        "repository models",
        "code repository ModelCode",
        "endpoint example-staging",
    ]


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        ({"StackStatus": "ROLLBACK_COMPLETE"}, "ROLLBACK_COMPLETE"),
        (
            {"StackStatus": "CREATE_COMPLETE", "Tags": [{"Key": "project", "Value": "other"}]},
            "of project other",
        ),
    ],
)
def test_names_that_others_hold_are_failures(stack: Any, words: str) -> None:
    deployment = _account(lambda **request: {"Stacks": [stack]}, lambda **request: {})
    findings = {each.check: each for each in check_names(deployment, CDK)}
    taken = findings["stack example-dev-storage"]
    assert taken.status == FAIL
    assert words in taken.found
    repository = findings["repository models"]
    assert repository.status == FAIL
    assert "storage.existing_repository_name" in repository.remedy
    assert "model_code.repository_name" in findings["code repository ModelCode"].remedy


def test_the_names_of_the_own_stacks_are_not_taken() -> None:
    """A stack knows a CodeCommit repository by its id."""
    summaries = [{"LogicalResourceId": "Code", "PhysicalResourceId": "8c1d-id"}]
    pages = [{"StackResourceSummaries": summaries}]
    cloudformation = SimpleNamespace(
        describe_stacks=lambda **request: {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]},
        get_template=lambda StackName: {"TemplateBody": TEMPLATES[StackName]},
        get_paginator=lambda name: SimpleNamespace(paginate=lambda **request: pages),
    )
    target = SimpleNamespace(
        stack_outputs=lambda stack: {},
        cloudformation=cloudformation,
        ecr=SimpleNamespace(describe_repositories=_raise("RepositoryNotFoundException", "x")),
    )
    deployment = Deployment(Project(Path(), "example"), "dev", cast("Target", target))
    findings = {each.check: each for each in check_names(deployment, CDK)}
    assert findings["code repository ModelCode"].found == "belongs to the stack"


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("ROLLBACK_COMPLETE", "`.venv/bin/aws cloudformation delete-stack --stack-name "),
        ("UPDATE_ROLLBACK_FAILED", "`.venv/bin/aws cloudformation continue-update-rollback "),
    ],
)
def test_a_broken_stack_comes_with_what_gets_it_out(status: str, remedy: str) -> None:
    stack = {"Stacks": [{"StackStatus": status}]}
    deployment = _account(lambda **request: stack, lambda **request: {})
    first = next(check_names(deployment, CDK))
    assert (first.status, first.found) == (FAIL, status)
    assert remedy in first.remedy
    assert first.remedy.endswith("--stack-name example-dev-storage`")


def test_a_name_that_may_not_be_looked_at_is_a_warning() -> None:
    deployment = _account(
        _raise("ValidationError", "Stack x does not exist"), _raise("AccessDenied", "no")
    )
    findings = {each.check: each for each in check_names(deployment, CDK)}
    assert findings["repository models"].status == WARN


def test_another_qualifier_has_a_toolkit_of_its_own(project: Project) -> None:
    default, other = cdk_of(project, "dev"), cdk_of(project, "prod")
    assert default.bootstrap("1", "r")[1:] == ["bootstrap", "aws://1/r"]
    assert other.toolkit_stack == "CDKToolkit-corp"
    named = ["--qualifier", "corp", "--toolkit-stack-name", "CDKToolkit-corp"]
    assert other.bootstrap("1", "r")[3:] == named
    assert other.deploy()[-2:] == named[2:]
    assert "--toolkit-stack-name" not in default.deploy()
