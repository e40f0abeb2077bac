"""Properties on which data, runs and their cost depend."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explain_failure.logic import LAMBDA_OF
from shared import environment as environments
from shared.datasets import MANIFEST_NAME
from tests.synth.assembly import ROOT, Assembly, of_type

ENVIRONMENT_OF: dict[str, type[environments.Environment]] = {
    "PrepareRunLambda": environments.PrepareRunEnvironment,
    "EvaluationReaderLambda": environments.EvaluationReaderEnvironment,
    "ModelRegistryLambda": environments.ModelRegistryEnvironment,
    "EndpointWaitLambda": environments.EndpointWaitEnvironment,
    "ModelTestLambda": environments.ModelTestEnvironment,
    "FailureLambda": environments.ExplainFailureEnvironment,
    "StagingLockLambda": environments.StagingLockEnvironment,
    "StartRunLambda": environments.StartRunEnvironment,
    "UploadWatchLambda": environments.UploadWatchEnvironment,
    "DatasetSealerLambda": environments.DatasetSealerEnvironment,
    "RunEndedLambda": environments.RunEndedEnvironment,
    "ReconcilerLambda": environments.ReconcilerEnvironment,
    "PipelineFailedLambda": environments.PipelineFailedEnvironment,
}


def functions_of(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Every function, by its logical id."""
    return {
        name: function
        for template in assembly.templates.values()
        for name, function in of_type(template, "AWS::Lambda::Function").items()
    }


def only(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    (properties,) = of_type(template, resource_type).values()
    return properties


def test_nothing_is_done_by_custom_resources(dev: Assembly) -> None:
    types = [r["Type"] for t in dev.templates.values() for r in t["Resources"].values()]
    assert not [name for name in types if name.startswith(("Custom::", "AWS::CloudFormation::"))]
    assert types.count("AWS::Lambda::Function") == len(ENVIRONMENT_OF)


def test_each_function_s_variables_are_those_it_declares(dev: Assembly) -> None:
    functions = functions_of(dev)
    assert functions.keys() == ENVIRONMENT_OF.keys()
    for name, properties in functions.items():
        given = properties["Environment"]["Variables"]
        assert given.keys() == ENVIRONMENT_OF[name].variables(), name


def test_every_function_has_the_defaults(dev: Assembly) -> None:
    for name, properties in functions_of(dev).items():
        assert properties["Runtime"] == "python3.14"
        assert properties["Architectures"] == ["x86_64"]
        assert properties["TracingConfig"] == {"Mode": "Active"}
        module, file, function = properties["Handler"].split(".")
        assert (ROOT / "lambdas" / module / f"{file}.py").is_file(), name
        assert function == "handler"
        assert properties["LoggingConfig"]["LogGroup"]["Ref"].startswith(f"{name}Logs")


def test_every_log_group_is_bounded(dev: Assembly) -> None:
    for template in dev.templates.values():
        for name, properties in of_type(template, "AWS::Logs::LogGroup").items():
            assert properties["RetentionInDays"] == 7, name


def test_explained_failures_point_to_functions_that_exist(dev: Assembly) -> None:
    states = dev.definition["States"]
    for state_id, function in LAMBDA_OF.items():
        invoked = states[state_id]["Parameters"]["FunctionName"]
        assert invoked.endswith(f":{function}Arn"), state_id


def test_the_state_machine_logs_and_traces(dev: Assembly) -> None:
    machine = only(dev.training, "AWS::StepFunctions::StateMachine")
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is True
    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"
    groups = of_type(dev.training, "AWS::Logs::LogGroup").values()
    names = [group.get("LogGroupName", "") for group in groups]
    assert [name for name in names if name.startswith("/aws/vendedlogs/states/")]


def rules(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rules by the function that they invoke."""
    return {
        rule["Targets"][0]["Arn"]["Fn::GetAtt"][0] + rule["EventPattern"]["source"][0][4:]: rule
        for rule in of_type(template, "AWS::Events::Rule").values()
    }


def test_every_file_that_arrives_is_told_to_the_function_that_waits_for_it(dev: Assembly) -> None:
    found = rules(dev.training)
    keys = {
        "StartRunLambdas3": [{"suffix": f"/{MANIFEST_NAME}"}],
        "UploadWatchLambdas3": [{"wildcard": "*/train/*"}, {"wildcard": "*/validation/*"}],
    }
    for name, expected in keys.items():
        pattern = found[name]["EventPattern"]
        assert pattern["detail-type"] == ["Object Created"]
        assert pattern["detail"]["object"]["key"] == expected


def test_the_end_of_an_execution_and_the_endpoint_s_rest_are_told_to_run_ended(
    dev: Assembly,
) -> None:
    found = rules(dev.training)
    ended = found["RunEndedLambdastates"]["EventPattern"]
    assert ended["detail-type"] == ["Step Functions Execution Status Change"]
    assert ended["detail"]["stateMachineArn"] == [{"Ref": "TrainingStateMachine"}]
    assert set(ended["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"}
    rest = found["RunEndedLambdasagemaker"]["EventPattern"]
    assert rest["detail-type"] == ["SageMaker Endpoint State Change"]
    endpoint = dev.training["Outputs"]["StagingEndpointName"]["Value"]
    assert rest["detail"]["EndpointName"] == [endpoint]


def test_an_event_that_cannot_be_delivered_or_handled_is_kept(dev: Assembly) -> None:
    (queue,) = of_type(dev.training, "AWS::SQS::Queue")
    kept = {"Fn::GetAtt": [queue, "Arn"]}
    for rule in rules(dev.training).values():
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"]["Arn"] == kept
    for schedule in of_type(dev.training, "AWS::Scheduler::Schedule").values():
        assert schedule["Target"]["DeadLetterConfig"]["Arn"] == kept
    functions = of_type(dev.training, "AWS::Lambda::Function")
    keeping = {name for name, f in functions.items() if f.get("DeadLetterConfig")}
    assert keeping == {
        "StartRunLambda",
        "UploadWatchLambda",
        "DatasetSealerLambda",
        "RunEndedLambda",
        "ReconcilerLambda",
    }
    for name in keeping:
        assert functions[name]["DeadLetterConfig"] == {"TargetArn": kept}
    assert "KmsMasterKeyId" in only(dev.training, "AWS::SQS::Queue")


def test_lost_events_are_made_up_for_as_often_as_the_settings_say(
    assembly: Callable[[str], Assembly],
) -> None:
    for environment, expression in (("dev", "rate(1 minute)"), ("staging", "rate(15 minutes)")):
        schedule = only(assembly(environment).training, "AWS::Scheduler::Schedule")
        assert schedule["ScheduleExpression"] == expression
        assert schedule["Target"]["Arn"] == {"Fn::GetAtt": ["ReconcilerLambda", "Arn"]}


def test_a_schedule_of_the_settings_starts_a_run_of_its_data_set(organisation: Assembly) -> None:
    (schedule,) = (
        schedule
        for schedule in of_type(organisation.training, "AWS::Scheduler::Schedule").values()
        if schedule["Target"]["Arn"] == {"Fn::GetAtt": ["StartRunLambda", "Arn"]}
    )
    assert schedule["ScheduleExpression"] == "cron(0 3 ? * MON *)"
    assert json.loads(schedule["Target"]["Input"]) == {
        "scheduled_time": "<aws.scheduler.scheduled-time>",
        "dataset": "v1.0",
    }


def test_the_run_table_forgets_and_is_encrypted(dev: Assembly) -> None:
    table = only(dev.training, "AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]


def test_the_bucket_is_private_versioned_encrypted_and_tells_eventbridge(dev: Assembly) -> None:
    bucket = only(dev.storage, "AWS::S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["BucketKeyEnabled"] is True
    notifications = bucket["NotificationConfiguration"]
    assert notifications == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    data, artifacts = bucket["LifecycleConfiguration"]["Rules"]
    assert data["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert "ExpirationInDays" not in data
    assert artifacts["Prefix"] == "TrainDeployModelPipe/"
    assert artifacts["ExpirationInDays"] == 30


def test_the_bucket_refuses_requests_without_tls(dev: Assembly) -> None:
    policy = only(dev.storage, "AWS::S3::BucketPolicy")["PolicyDocument"]
    denied = [s["Condition"] for s in policy["Statement"] if s["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied


def test_images_cannot_be_replaced_under_their_tag(dev: Assembly) -> None:
    repository = only(dev.storage, "AWS::ECR::Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


@pytest.mark.parametrize(("environment", "policy"), [("dev", "Delete"), ("staging", "Retain")])
def test_storage_outlives_its_stack_unless_the_settings_say_otherwise(
    assembly: Callable[[str], Assembly], environment: str, policy: str
) -> None:
    resources = assembly(environment).storage["Resources"].values()
    kept = [r for r in resources if r["Type"] != "AWS::S3::BucketPolicy"]
    assert {r["DeletionPolicy"] for r in kept} == {policy}
    assert len(kept) == 4


def test_outputs_are_those_that_the_command_line_reads(dev: Assembly) -> None:
    outputs = {name for name in dev.storage["Outputs"] if not name.startswith("Export")}
    assert outputs == {
        "BucketName",
        "KeyArn",
        "RepositoryName",
        "RepositoryUri",
        "ModelPackageGroupName",
        "ImageParameterName",
    }
    outputs = {name for name in dev.training["Outputs"] if not name.startswith("Export")}
    assert outputs == {
        "StateMachineArn",
        "StagingEndpointName",
        "DeadLetterQueueUrl",
        "RunTableName",
        "TopicArn",
        "ScheduleGroupName",
        "DashboardName",
    }
    assert dev.model_code["Outputs"].keys() == {
        "PipelineName",
        "RepositoryName",
        "CloneUrlHttp",
        "TestProjectName",
        "BuildProjectName",
    }


def test_templates_belong_to_no_account_and_no_region(dev: Assembly) -> None:
    for name, template in dev.templates.items():
        text = str(template)
        assert not re.search(r"\b\d{12}\b", text), name
        assert not re.search(r"\b[a-z]{2}-[a-z]+-\d\b", text), name


def test_stacks_stay_readable_at_a_glance() -> None:
    def lines(path: Path) -> int:
        return len(path.read_text().splitlines())

    assert lines(ROOT / "app.py") <= 50
    for name in ("storage", "training", "model_code"):
        assert lines(ROOT / "stacks" / f"{name}.py") <= 150
