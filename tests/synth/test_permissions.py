"""Who may do what: the exact actions of every role, declared once more."""

import re
from typing import Any

from stacks.settings import load_settings
from tests.synth.assembly import OF_ATTRIBUTES, ROOT, Assembly, listed, of_type, resolved

Grants = dict[str, set[str]]
Statement = dict[str, Any]

TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
PROJECT = load_settings(ROOT / "mlops.toml", "dev").project.name
TRAINING_JOBS, PROCESSING_JOBS = f"training-job/{PROJECT}-*", f"processing-job/{PROJECT}-*"
ENDPOINT, CONFIGS = f"endpoint/{PROJECT}-staging", f"endpoint-config/{PROJECT}-*"
FUNCTIONS = {
    "PrepareRunLambda",
    "EvaluationReaderLambda",
    "ModelRegistryLambda",
    "EndpointWaitLambda",
    "ModelTestLambda",
    "FailureLambda",
}
CHANNELS = ("*/train/*", "*/validation/*")


def on(resources: str | set[str], *actions: str) -> Grants:
    return dict.fromkeys(actions, {resources} if isinstance(resources, str) else resources)


def reads(*keys: str) -> Grants:
    objects = on({f"Bucket/{key}" for key in keys}, "s3:GetObject")
    return objects | on("Bucket", "s3:ListBucket") | on("Key", "kms:Decrypt")


def writes(key: str) -> Grants:
    return on(f"Bucket/{key}", "s3:PutObject") | on("Key", "kms:GenerateDataKey")


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
        **reads(*keys),
        **(writes(output) | on("Key", "kms:Encrypt", "kms:CreateGrant") if output else {}),
    }


def function(name: str, *grants: Grants) -> Grants:
    found = on(f"{name}Logs", "logs:CreateLogStream", "logs:PutLogEvents") | on("*", *TRACING)
    for grant in grants:
        found |= grant
    return found


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
        reads("*/_MANIFEST.json", *CHANNELS, "runs/*/attempts/*", "runs/*/version.json"),
        writes("runs/*/attempts/*"),
        on("Bucket/*/_MANIFEST.json", "s3:GetObjectVersion"),
        on("Repository", "ecr:DescribeImages"),
        on("execution:TrainingStateMachineName:*", "states:DescribeExecution"),
    ),
    "EvaluationReaderLambdaRole": function("EvaluationReaderLambda", reads("runs/*/evaluation/*")),
    "ModelRegistryLambdaRole": function(
        "ModelRegistryLambda",
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
    "DatasetTriggerRole": on("TrainingStateMachine", "states:StartExecution"),
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
        **on({TRAINING_JOBS, PROCESSING_JOBS}, "sagemaker:AddTags", "sagemaker:ListTags"),
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
        **on("Key", "kms:DescribeKey", "kms:CreateGrant"),
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
}
CONDITIONS = {
    "kms:CreateGrant": [{"Bool": {"kms:GrantIsForAWSResource": "true"}}],
    "iam:PassRole": [{"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}],
    "cloudwatch:PutMetricData": [
        {"StringLike": {"cloudwatch:namespace": f"/aws/sagemaker/{kind}*"}}
        for kind in ("Endpoints", "ProcessingJobs", "TrainingJobs")
    ],
}


def statements(assembly: Assembly) -> dict[str, list[Statement]]:
    """Every role's statements, by the role's name without CDK's hash."""
    found: dict[str, list[Statement]] = {}
    for policy in of_type(assembly.training, "AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            name = role["Ref"][:-8]
            found.setdefault(name, []).extend(policy["PolicyDocument"]["Statement"])
    return found


def short(resource: Any) -> str:
    """What of an ARN names the resource, without CDK's prefixes and hashes."""
    text = resolved(resource)
    if found := OF_THE_STACKS.search(text):
        return f"{found[1]}{found[2]}"
    return text.rpartition("AWS::AccountId:")[2].replace(OF_ATTRIBUTES, "")


# `GetAtt` of a resource of this stack or, by an export, of the other; then a pattern of keys.
OF_THE_STACKS = re.compile(
    r"(?:ExportsOutputFnGetAtt)?(\w+?)(?:[0-9A-F]{8})?Arn(?:[0-9A-F]{8})?((?:/.*)?)$"
)


def grants(policy: list[Statement]) -> Grants:
    found: Grants = {}
    for statement in policy:
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            names = {short(resource) for resource in listed(statement["Resource"])}
            found.setdefault(action, set()).update(names)
    return found


def test_every_role_has_exactly_the_declared_actions_on_the_declared_resources(
    dev: Assembly,
) -> None:
    assert {name: grants(policy) for name, policy in statements(dev).items()} == GRANTS


def test_what_no_resource_confines_is_confined_by_its_condition(dev: Assembly) -> None:
    for name, policy in statements(dev).items():
        for statement in policy:
            for action in listed(statement["Action"]):
                expected = CONDITIONS.get(action, [None])
                assert statement.get("Condition") in expected, (name, action)


def test_no_role_has_managed_or_inline_policies_besides(dev: Assembly) -> None:
    for name, role in of_type(dev.training, "AWS::IAM::Role").items():
        assert role.keys() == {"AssumeRolePolicyDocument"}, name


def test_an_action_on_everything_is_one_that_knows_no_resource(dev: Assembly) -> None:
    for name, policy in statements(dev).items():
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


def test_the_key_serves_events_and_uploads_and_nobody_else(dev: Assembly) -> None:
    (key,) = of_type(dev.storage, "AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True
    _, events, uploads = key["KeyPolicy"]["Statement"]
    assert events["Principal"] == {"Service": "events.amazonaws.com"}
    assert events["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    account = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert events["Condition"] == {"StringEquals": account}
    assert uploads["Action"] == "kms:GenerateDataKey"
    confined = uploads["Condition"]["StringEquals"]
    assert confined.keys() == {"kms:CallerAccount", "kms:ViaService"}
    assert confined["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}
    assert resolved(confined["kms:ViaService"]) == "s3.AWS::Region.amazonaws.com"


def test_only_the_rule_may_send_to_the_dead_letter_queue(dev: Assembly) -> None:
    (policy,) = of_type(dev.training, "AWS::SQS::QueuePolicy").values()
    allows = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    (allow,) = allows
    denied = [s["Condition"] for s in policy["PolicyDocument"]["Statement"] if s not in allows]
    assert denied == [{"Bool": {"aws:SecureTransport": "false"}}]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Action"] == "sqs:SendMessage"
    (source,) = allow["Condition"]["ArnEquals"].values()
    assert source["Fn::GetAtt"][0].startswith("DatasetTriggerRule")
