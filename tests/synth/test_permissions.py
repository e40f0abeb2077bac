"""Who may do what: the exact actions of every role, declared once more."""

from fnmatch import fnmatchcase
from typing import Any

from stacks.settings_file import load_settings
from tests.synth.assembly import ROOT, Assembly, listed, of_type, resolved
from tests.synth.grants import (
    TRACING,
    Grants,
    fed_by_events,
    function,
    grants,
    on,
    opens,
    reads,
    statements,
    table,
    used,
    writes,
)

PROJECT = load_settings(ROOT / "mlops.toml", "dev").project.name
TRAINING_JOBS, PROCESSING_JOBS = f"training-job/{PROJECT}-*", f"processing-job/{PROJECT}-*"
ENDPOINT, CONFIGS = f"endpoint/{PROJECT}-staging", f"endpoint-config/{PROJECT}-*"
FUNCTIONS = {
    "PrepareRunLambda",
    "EvaluationReaderLambda",
    "ModelRegistryLambda",
    "StagingLockLambda",
    "EndpointWaitLambda",
    "ModelTestLambda",
    "FailureLambda",
}
CHANNELS = ("*/train/*", "*/validation/*")
IMAGE_PARAMETER = f"parameter/{PROJECT}/dev/image"
EXECUTIONS = "execution:TrainingStateMachineName:*"


def job(kind: str, *keys: str, output: str | None = None) -> Grants:
    return {
        **on("*", "ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"),
        **on(
            "Repository",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        ),
        **on(
            f"log-group:/aws/sagemaker/{kind}*",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "logs:DescribeLogStreams",
        ),
        **(reads(*keys) if output else opens(*keys)),
        **(writes(output) | on("Key", "kms:Encrypt", "kms:CreateGrant") if output else {}),
    }


GRANTS: dict[str, Grants] = {
    "ValidationJobRole": job(
        "ProcessingJobs", "*/_MANIFEST.json", *CHANNELS, output="runs/*/validation/*"
    ),
    "TrainingJobRole": job("TrainingJobs", *CHANNELS, output="runs/*/training/*"),
    "EvaluationJobRole": job(
        "ProcessingJobs", "runs/*/training/*", *CHANNELS, output="runs/*/evaluation/*"
    ),
    "ModelExecutionRole": job("Endpoints", "runs/*/training/*"),
    "PrepareRunLambdaRole": function(
        "PrepareRunLambda",
        reads("*/_MANIFEST.json", "runs/*/attempts/*", "runs/*/version.json"),
        writes("runs/*/attempts/*"),
        on("Bucket/*/_MANIFEST.json", "s3:GetObjectVersion"),
        on("Repository", "ecr:DescribeImages"),
        on(IMAGE_PARAMETER, "ssm:GetParameter"),
        on(EXECUTIONS, "states:DescribeExecution"),
    ),
    "EvaluationReaderLambdaRole": function("EvaluationReaderLambda", reads("runs/*/evaluation/*")),
    "ModelRegistryLambdaRole": function(
        "ModelRegistryLambda",
        reads("runs/*/version.json"),
        writes("runs/*/version.json"),
        on(
            {
                f"model-package-group/{PROJECT}-model-group",
                f"model-package/{PROJECT}-model-group/*",
            },
            "sagemaker:CreateModelPackage",
        ),
    ),
    "EndpointWaitLambdaRole": function(
        "EndpointWaitLambda", on(ENDPOINT, "sagemaker:DescribeEndpoint")
    ),
    "ModelTestLambdaRole": function(
        "ModelTestLambda",
        reads("runs/*/evaluation/*"),
        on(ENDPOINT, "sagemaker:InvokeEndpoint"),
    ),
    "FailureLambdaRole": function("FailureLambda"),
    "StagingLockLambdaRole": function(
        "StagingLockLambda", table("GetItem", "PutItem"), on(EXECUTIONS, "states:DescribeExecution")
    ),
    "StartRunLambdaRole": fed_by_events(
        "StartRunLambda",
        reads("*/_MANIFEST.json"),
        on(IMAGE_PARAMETER, "ssm:GetParameter"),
        on("TrainingStateMachine", "states:StartExecution"),
    ),
    "UploadWatchLambdaRole": fed_by_events(
        "UploadWatchLambda",
        on(
            f"schedule/{PROJECT}-dev-training/*",
            "scheduler:CreateSchedule",
            "scheduler:UpdateSchedule",
        ),
        on("TimetableRole", "iam:PassRole"),
    ),
    "DatasetSealerLambdaRole": fed_by_events(
        "DatasetSealerLambda",
        reads("*/_MANIFEST.json", *CHANNELS),
        on({f"Bucket/{key}" for key in ("*/_MANIFEST.json", *CHANNELS)}, "s3:GetObjectVersion"),
        on("Bucket", "s3:ListBucketVersions"),
        writes("*/_MANIFEST.json"),
        table("GetItem", "PutItem"),
    ),
    "RunEndedLambdaRole": fed_by_events(
        "RunEndedLambda",
        table("GetItem", "UpdateItem", "DeleteItem"),
        on("Key", "kms:CreateGrant"),
        reads("runs/*/version.json"),
        on(EXECUTIONS, "states:DescribeExecution", "states:GetExecutionHistory"),
        on(
            {f"log-group:/aws/sagemaker/{kind}Jobs:*" for kind in ("Training", "Processing")},
            "logs:DescribeLogStreams",
            "logs:GetLogEvents",
        ),
        on(TRAINING_JOBS, "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"),
        on(PROCESSING_JOBS, "sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob"),
        on(
            f"model-package/{PROJECT}-model-group/*",
            "sagemaker:DescribeModelPackage",
            "sagemaker:UpdateModelPackage",
        ),
        on(
            {
                f"model-package-group/{PROJECT}-model-group",
                f"model-package/{PROJECT}-model-group/*",
            },
            "sagemaker:ListModelPackages",
        ),
        on("*", "sagemaker:ListEndpoints", "sagemaker:ListEndpointConfigs"),
        on(
            {"endpoint/*", "endpoint-config/*"},
            "sagemaker:DescribeEndpoint",
            "sagemaker:DescribeEndpointConfig",
        ),
        on({ENDPOINT, CONFIGS}, "sagemaker:UpdateEndpoint"),
        on(ENDPOINT, "sagemaker:DeleteEndpoint"),
        on(CONFIGS, "sagemaker:DeleteEndpointConfig"),
        on(f"model/{PROJECT}-*", "sagemaker:DescribeModel", "sagemaker:DeleteModel"),
        on("RunTopic", "sns:Publish"),
    ),
    "ReconcilerLambdaRole": fed_by_events(
        "ReconcilerLambda",
        table("GetItem", "PutItem", "DeleteItem"),
        reads("*/_MANIFEST.json"),
        on(IMAGE_PARAMETER, "ssm:GetParameterHistory"),
        on("TrainingStateMachine", "states:DescribeStateMachine", "states:ListExecutions"),
        on(EXECUTIONS, "states:DescribeExecution"),
        on({"StartRunLambda", "DatasetSealerLambda", "RunEndedLambda"}, "lambda:InvokeFunction"),
        on(ENDPOINT, "sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint"),
    ),
    "TimetableRole": {
        **on({"DatasetSealerLambda", "ReconcilerLambda"}, "lambda:InvokeFunction"),
        **on("DeadLetterQueue", "sqs:SendMessage"),
        **used(),
    },
    "StateMachineRole": {
        **on(
            "*",
            *TRACING,
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ),
        **on(FUNCTIONS, "lambda:InvokeFunction"),
        **on(
            TRAINING_JOBS,
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
        ),
        **on(
            PROCESSING_JOBS,
            "sagemaker:CreateProcessingJob",
            "sagemaker:DescribeProcessingJob",
            "sagemaker:StopProcessingJob",
        ),
        **on({TRAINING_JOBS, PROCESSING_JOBS}, "sagemaker:ListTags"),
        **on(
            {
                *(TRAINING_JOBS, PROCESSING_JOBS),
                *(f"{kind}/{PROJECT}-*" for kind in ("model", "endpoint-config", "endpoint")),
            },
            "sagemaker:AddTags",
        ),
        **on(f"model/{PROJECT}-*", "sagemaker:CreateModel"),
        **on(CONFIGS, "sagemaker:CreateEndpointConfig"),
        **on({ENDPOINT, CONFIGS}, "sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"),
        **on(
            {"ValidationJobRole", "TrainingJobRole", "EvaluationJobRole", "ModelExecutionRole"},
            "iam:PassRole",
        ),
        **on(
            {
                "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule",
                "rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule",
            },
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ),
        **on("Key", "kms:CreateGrant"),
    },
}
# IAM knows no resource for these; metrics are confined by their name space.
ON_EVERYTHING = TRACING | {
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "sagemaker:ListEndpoints",
    "sagemaker:ListEndpointConfigs",
}
SEALED = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["sealed#*"]}}
CONDITIONS: dict[str, list[Any]] = {
    "dynamodb:GetItem": [None, SEALED],
    "dynamodb:PutItem": [None, SEALED],
    "kms:CreateGrant": [{"Bool": {"kms:GrantIsForAWSResource": "true"}}],
    "iam:PassRole": [
        {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
        for service in ("sagemaker", "scheduler")
    ],
    "cloudwatch:PutMetricData": [
        {"StringLike": {"cloudwatch:namespace": f"/aws/sagemaker/{kind}*"}}
        for kind in ("Endpoints", "ProcessingJobs", "TrainingJobs")
    ],
}


def test_every_role_has_exactly_the_declared_actions_on_the_declared_resources(
    dev: Assembly,
) -> None:
    assert {name: grants(policy) for name, policy in statements(dev.training).items()} == GRANTS


def test_what_no_resource_confines_is_confined_by_its_condition(dev: Assembly) -> None:
    for name, policy in statements(dev.training).items():
        for statement in policy:
            for action in listed(statement["Action"]):
                expected = CONDITIONS.get(action, [None])
                assert statement.get("Condition") in expected, (name, action)


def test_no_role_has_managed_or_inline_policies_besides(dev: Assembly) -> None:
    for name, role in of_type(dev.training, "AWS::IAM::Role").items():
        assert role.keys() == {"AssumeRolePolicyDocument", "Tags"}, name


def test_an_action_on_everything_is_one_that_knows_no_resource(dev: Assembly) -> None:
    for name, policy in statements(dev.training).items():
        for statement in policy:
            assert not [action for action in listed(statement["Action"]) if "*" in action]
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= ON_EVERYTHING, name


def test_services_take_roles_for_this_account_only(dev: Assembly) -> None:
    for name, role in of_type(dev.training, "AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = trust["Principal"]["Service"]
        if service != "lambda.amazonaws.com":
            source = trust["Condition"]["StringEquals"]["aws:SourceAccount"]
            assert source == {"Ref": "AWS::AccountId"}, name


def test_the_key_serves_events_uploads_alarms_and_logs_and_nobody_else(dev: Assembly) -> None:
    (key,) = of_type(dev.storage, "AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True
    _, *allowed = key["KeyPolicy"]["Statement"]
    by_sid = {statement["Sid"]: statement for statement in allowed}
    assert by_sid.keys() == {
        "EventsToEncryptedQueues",
        "UploadsThroughS3",
        "AlarmsAndBudgetsToEncryptedTopics",
        "LogGroups",
    }
    events, alarms = by_sid["EventsToEncryptedQueues"], by_sid["AlarmsAndBudgetsToEncryptedTopics"]
    uploads = by_sid["UploadsThroughS3"]
    assert events["Principal"] == {"Service": "events.amazonaws.com"}
    assert events["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    services = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    assert alarms["Principal"] == {"Service": services}
    assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    account = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert events["Condition"] == alarms["Condition"] == {"StringEquals": account}
    assert uploads["Action"] == "kms:GenerateDataKey"
    confined = uploads["Condition"]["StringEquals"]
    assert confined.keys() == {"kms:CallerAccount", "kms:ViaService"}
    assert confined["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}
    assert resolved(confined["kms:ViaService"]) == "s3.AWS::Region.amazonaws.com"
    logs = by_sid["LogGroups"]
    assert resolved(logs["Principal"]["Service"]) == "logs.AWS::Region.amazonaws.com"
    groups = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert {resolved(group).rpartition("log-group:")[2] for group in groups} == {
        f"{PROJECT}-*",
        f"/aws/vendedlogs/states/{PROJECT}-*",
    }


def test_only_rules_of_the_stacks_may_send_to_the_dead_letter_queue(dev: Assembly) -> None:
    (policy,) = of_type(dev.training, "AWS::SQS::QueuePolicy").values()
    allows = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    denied = [s["Condition"] for s in policy["PolicyDocument"]["Statement"] if s not in allows]
    assert denied == [{"Bool": {"aws:SecureTransport": "false"}}]
    (others,) = (allow for allow in allows if allow.get("Sid") == "RulesOfAnotherStack")
    allows.remove(others)
    assert others["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    pattern = resolved(others["Condition"]["ArnLike"]["aws:SourceArn"])
    for rule in of_type(dev.model_code, "AWS::Events::Rule").values():
        assert fnmatchcase(f"rule/{rule['Name']}", pattern.rpartition(":")[2])
    sources = set()
    for allow in [*allows, others]:
        assert allow["Principal"] == {"Service": "events.amazonaws.com"}
        assert allow["Action"] == "sqs:SendMessage"
    for allow in allows:
        (source,) = allow["Condition"]["ArnEquals"].values()
        sources.add(source["Fn::GetAtt"][0])
    assert sources == of_type(dev.training, "AWS::Events::Rule").keys()
