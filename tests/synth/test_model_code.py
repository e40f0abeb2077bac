"""From a commit to training: the pipeline, its builds, what starts it and what tells of it."""

import json
import subprocess
from typing import Any

from stacks.constructs.model_source import NOT_CODE
from stacks.settings_file import load_settings
from tests.synth.assembly import ROOT, Assembly, of_type, resolved
from tests.synth.variants import LONGEST_PROJECT

KEPT = "ExportsOutputFnGetAttDeadLetterQueueArn"


def only(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    (properties,) = of_type(template, resource_type).values()
    return properties


def pipeline(assembly: Assembly) -> dict[str, Any]:
    return only(assembly.model_code, "AWS::CodePipeline::Pipeline")


def actions(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """The one action of each stage."""
    found = {}
    for stage in pipeline(assembly)["Stages"]:
        (action,) = stage["Actions"]
        assert action["Name"] == stage["Name"]
        found[stage["Name"]] = action
    return found


def project(assembly: Assembly, stage: str) -> dict[str, Any]:
    name = actions(assembly)[stage]["Configuration"]["ProjectName"]
    projects = of_type(assembly.model_code, "AWS::CodeBuild::Project").values()
    (found,) = (each for each in projects if each["Name"] == name)
    return found


def rule(assembly: Assembly, name: str) -> dict[str, Any]:
    rules = of_type(assembly.model_code, "AWS::Events::Rule").values()
    (found,) = (each for each in rules if each["Name"].endswith(f"-{name}"))
    return found


def test_a_newer_commit_replaces_one_that_waits_for_a_stage(dev: Assembly) -> None:
    assert pipeline(dev)["PipelineType"] == "V2"
    assert pipeline(dev)["ExecutionMode"] == "SUPERSEDED"


def test_a_commit_is_tested_then_built_then_trained(dev: Assembly) -> None:
    found = actions(dev)
    assert list(found) == ["Source", "Test", "Build", "Train"]
    assert [each["ActionTypeId"]["Provider"] for each in found.values()] == [
        "CodeCommit",
        "CodeBuild",
        "CodeBuild",
        "StepFunctions",
    ]

    def artifacts(kind: str) -> list[list[str]]:
        return [[one["Name"] for one in each.get(kind, [])] for each in found.values()]

    assert artifacts("InputArtifacts") == [[], ["SourceOutput"], ["SourceOutput"], ["BuildOutput"]]
    assert artifacts("OutputArtifacts") == [["SourceOutput"], ["TestOutput"], ["BuildOutput"], []]
    assert found["Source"]["Namespace"] == "SourceVariables"
    assert found["Build"]["Namespace"] == "BuildVariables"


def test_the_source_is_the_branch_and_is_not_polled(dev: Assembly) -> None:
    assert actions(dev)["Source"]["Configuration"] == {
        "RepositoryName": {"Fn::GetAtt": ["ModelCode", "Name"]},
        "BranchName": "main",
        "PollForSourceChanges": "false",
    }


def test_training_takes_the_file_that_the_build_wrote(dev: Assembly) -> None:
    configuration = actions(dev)["Train"]["Configuration"]
    assert configuration.keys() == {"StateMachineArn", "InputType", "Input"}
    assert "RefTrainingStateMachine" in configuration["StateMachineArn"]["Fn::ImportValue"]
    assert (configuration["InputType"], configuration["Input"]) == ("FilePath", "train.json")


def test_artifacts_are_in_the_data_bucket_encrypted_with_its_key(dev: Assembly) -> None:
    store = pipeline(dev)["ArtifactStore"]
    assert "ExportsOutputRefBucket" in store["Location"]["Fn::ImportValue"]
    assert store["EncryptionKey"]["Type"] == "KMS"
    assert "ExportsOutputFnGetAttKey" in store["EncryptionKey"]["Id"]["Fn::ImportValue"]
    lifecycle = only(dev.storage, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    (prefix,) = (each["Prefix"] for each in lifecycle if "Prefix" in each)
    assert prefix == f"{pipeline(dev)['Name'][:20]}/"


def test_the_first_run_begins_when_all_it_needs_is_there(dev: Assembly) -> None:
    resources = dev.model_code["Resources"]
    awaited = set(resources["ModelPipeline"]["DependsOn"])
    policies = of_type(dev.model_code, "AWS::IAM::Policy")
    of_builds_and_pipeline = {
        name for name in policies if name.startswith(("TestRole", "BuildRole", "PipelineRole"))
    }
    assert len(of_builds_and_pipeline) == 3
    assert of_builds_and_pipeline <= awaited
    assert of_type(dev.model_code, "AWS::CodeBuild::Project").keys() <= awaited
    assert {name for name in awaited if name.startswith("FailuresFailureRule")}


def test_only_the_build_of_images_has_privileges(dev: Assembly) -> None:
    assert project(dev, "Test")["Environment"]["PrivilegedMode"] is False
    assert project(dev, "Build")["Environment"]["PrivilegedMode"] is True


def test_builds_are_bounded_encrypted_cached_and_logged(dev: Assembly) -> None:
    for stage, buildspec, minutes in (
        ("Test", "buildspec-test.yml", 15),
        ("Build", "buildspec.yml", 60),
    ):
        found = project(dev, stage)
        assert found["Source"] == {"Type": "CODEPIPELINE", "BuildSpec": buildspec}
        assert found["Artifacts"] == {"Type": "CODEPIPELINE"}
        assert (found["TimeoutInMinutes"], found["QueuedTimeoutInMinutes"]) == (minutes, 60)
        assert "ExportsOutputFnGetAttKey" in found["EncryptionKey"]["Fn::ImportValue"]
        assert found["Cache"]["Type"] == "LOCAL"
        assert "LOCAL_CUSTOM_CACHE" in found["Cache"]["Modes"]
        logged = found["LogsConfig"]["CloudWatchLogs"]
        assert logged["Status"] == "ENABLED"
        group = dev.model_code["Resources"][logged["GroupName"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == 7
    assert "LOCAL_DOCKER_LAYER_CACHE" in project(dev, "Build")["Cache"]["Modes"]
    assert "LOCAL_DOCKER_LAYER_CACHE" not in project(dev, "Test")["Cache"]["Modes"]


def variables(assembly: Assembly, stage: str) -> dict[str, str]:
    listed = project(assembly, stage)["Environment"]["EnvironmentVariables"]
    assert {each["Type"] for each in listed} <= {"PLAINTEXT"}
    return {each["Name"]: resolved(each["Value"]) for each in listed}


def test_the_build_is_told_where_images_data_and_commits_are(dev: Assembly) -> None:
    assert variables(dev, "Test") == {}
    given = variables(dev, "Build")
    assert given.keys() == {
        "REPOSITORY_URI",
        "REPOSITORY_NAME",
        "IMAGE_PARAMETER",
        "DATA_BUCKET",
        "SOURCE_REPOSITORY",
    }
    assert given["IMAGE_PARAMETER"] == dev.storage["Outputs"]["ImageParameterName"]["Value"]
    assert given["SOURCE_REPOSITORY"] == "ModelCode"


def test_no_deployment_writes_the_parameter_that_those_read_who_start_runs(dev: Assembly) -> None:
    for template in dev.templates.values():
        assert of_type(template, "AWS::SSM::Parameter") == {}
    name = dev.storage["Outputs"]["ImageParameterName"]["Value"]
    assert name == f"/{load_settings(ROOT / 'mlops.toml', 'dev').project.name}/dev/image"
    for reader in ("PrepareRunLambda", "StartRunLambda", "ReconcilerLambda"):
        function = dev.training["Resources"][reader]["Properties"]
        assert function["Environment"]["Variables"]["IMAGE_PARAMETER_NAME"] == name


def test_a_push_to_the_branch_starts_the_pipeline(dev: Assembly) -> None:
    found = rule(dev, "push")
    assert found["EventPattern"] == {
        "source": ["aws.codecommit"],
        "detail-type": ["CodeCommit Repository State Change"],
        "resources": [{"Fn::GetAtt": ["ModelCode", "Arn"]}],
        "detail": {
            "event": ["referenceCreated", "referenceUpdated"],
            "referenceType": ["branch"],
            "referenceName": ["main"],
        },
    }
    (target,) = found["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["ModelPipeline", "Arn"]}
    assert KEPT in target["DeadLetterConfig"]["Arn"]["Fn::ImportValue"]


def test_an_action_that_failed_is_told_of_by_one_function(dev: Assembly) -> None:
    found = rule(dev, "failure")
    assert found["EventPattern"] == {
        "source": ["aws.codepipeline"],
        "detail-type": ["CodePipeline Action Execution State Change"],
        "detail": {"pipeline": ["TrainDeployModelPipeline"], "state": ["FAILED"]},
    }
    (target,) = found["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["PipelineFailedLambda", "Arn"]}
    assert KEPT in target["DeadLetterConfig"]["Arn"]["Fn::ImportValue"]
    function = dev.model_code["Resources"]["PipelineFailedLambda"]["Properties"]
    assert KEPT in function["DeadLetterConfig"]["TargetArn"]["Fn::ImportValue"]


def test_given_names_fit_for_the_longest_project_and_environment(longest: Assembly) -> None:
    limits = {
        "AWS::Events::Rule": ("Name", 64),
        "AWS::CodeBuild::Project": ("Name", 150),
        "AWS::CodePipeline::Pipeline": ("Name", 100),
        "AWS::CodeCommit::Repository": ("RepositoryName", 100),
    }
    for kind, (attribute, most) in limits.items():
        names = [each[attribute] for each in of_type(longest.model_code, kind).values()]
        assert names
        assert [name for name in names if len(name) > most] == []
    rules = of_type(longest.model_code, "AWS::Events::Rule").values()
    assert all(each["Name"].startswith(f"{LONGEST_PROJECT}-") for each in rules)


def test_the_repository_begins_with_the_folder_as_git_has_it(dev: Assembly) -> None:
    code = only(dev.model_code, "AWS::CodeCommit::Repository")["Code"]
    assert code["BranchName"] == "main"
    seed = dev.folder / f"asset.{code['S3']['Key'].removesuffix('.zip')}"
    uploaded = {str(path.relative_to(seed)) for path in seed.rglob("*") if path.is_file()}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT / "model_code",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert uploaded == {name for name in listed if (ROOT / "model_code" / name).is_file()}
    assert {".dockerignore", "Dockerfile", "app.py", "runtime/train.py"} <= uploaded
    for name in uploaded:
        assert (seed / name).read_bytes() == (ROOT / "model_code" / name).read_bytes()


def test_what_the_repository_ignores_does_not_begin_it() -> None:
    ignored = (ROOT / "model_code" / ".gitignore").read_text().split()
    assert {pattern.rstrip("/") for pattern in ignored} <= set(NOT_CODE)


def test_another_repository_takes_one_setting_and_no_other_stack(
    dev: Assembly, connection: Assembly
) -> None:
    assert connection.storage == dev.storage
    assert connection.training == dev.training
    kept = {"AWS::CodeCommit::Repository", "AWS::CodeConnections::Connection"}
    resources = {
        name: each["Type"]
        for name, each in connection.model_code["Resources"].items()
        if each["Type"] not in kept
    }
    gone = dev.model_code["Resources"].keys() - connection.model_code["Resources"].keys()
    assert {name.rstrip("0123456789ABCDEF") for name in gone} == {
        "ModelCode",
        "PipelinePushRule",
        "PipelineStartRole",
        "PipelineStartRoleDefaultPolicy",
    }
    assert resources.keys() <= dev.model_code["Resources"].keys()


def test_a_connected_repository_is_cloned_and_watched(connection: Assembly) -> None:
    logical_id = "Connection"
    assert only(connection.model_code, "AWS::CodeConnections::Connection")["ProviderType"] == (
        "GitHub"
    )
    source = actions(connection)["Source"]
    assert source["ActionTypeId"]["Provider"] == "CodeStarSourceConnection"
    assert source["Configuration"] == {
        "ConnectionArn": {"Fn::GetAtt": [logical_id, "ConnectionArn"]},
        "FullRepositoryId": "company/models",
        "BranchName": "main",
        "DetectChanges": "true",
        "OutputArtifactFormat": "CODEBUILD_CLONE_REF",
    }
    assert variables(connection, "Build")["SOURCE_REPOSITORY"] == ""
    outputs = connection.model_code["Outputs"]
    assert outputs["RepositoryName"]["Value"] == "company/models"
    assert outputs["ConnectionArn"]["Value"] == {"Fn::GetAtt": [logical_id, "ConnectionArn"]}
    assert "CloneUrlHttp" not in outputs
    assert "codecommit" not in json.dumps(connection.model_code)
