"""Who may do what: the exact actions of every role, declared once more."""

import json
from typing import Any

import pytest

from tests.synth.assembly import Assembly, listed, of_type

LOGGING = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
FUNCTION = LOGGING | TRACING
READING = {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}
ENDPOINT = (
    READING
    | LOGGING
    | {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchGetImage",
        "logs:CreateLogGroup",
        "logs:DescribeLogStreams",
        "cloudwatch:PutMetricData",
    }
)
JOB = ENDPOINT | {"s3:PutObject", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
ACTIONS = {
    "ValidationJobRole": JOB,
    "TrainingJobRole": JOB,
    "EvaluationJobRole": JOB,
    "ModelExecutionRole": ENDPOINT,
    "PrepareRunLambdaRole": FUNCTION
    | READING
    | {
        "s3:GetObjectVersion",
        "s3:PutObject",
        "kms:GenerateDataKey",
        "ecr:DescribeImages",
        "states:DescribeExecution",
    },
    "EvaluationReaderLambdaRole": FUNCTION | READING,
    "ModelRegistryLambdaRole": FUNCTION
    | {"sagemaker:CreateModelPackage", "s3:PutObject", "kms:GenerateDataKey"},
    "EndpointWaitLambdaRole": FUNCTION | {"sagemaker:DescribeEndpoint"},
    "ModelTestLambdaRole": FUNCTION | READING | {"sagemaker:InvokeEndpoint"},
    "FailureLambdaRole": FUNCTION,
    "DatasetTriggerRole": {"states:StartExecution"},
    "StateMachineRole": TRACING
    | {
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
        "lambda:InvokeFunction",
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
        "sagemaker:AddTags",
        "sagemaker:ListTags",
        "sagemaker:CreateModel",
        "sagemaker:CreateEndpointConfig",
        "sagemaker:CreateEndpoint",
        "sagemaker:UpdateEndpoint",
        "iam:PassRole",
        "events:PutTargets",
        "events:PutRule",
        "events:DescribeRule",
        "kms:DescribeKey",
        "kms:CreateGrant",
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
Statement = dict[str, Any]


def statements(assembly: Assembly) -> dict[str, list[Statement]]:
    """Every role's statements, by the role's name without CDK's hash."""
    found: dict[str, list[Statement]] = {}
    for policy in of_type(assembly.training, "AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            name = role["Ref"][:-8]
            found.setdefault(name, []).extend(policy["PolicyDocument"]["Statement"])
    return found


def actions(policy: list[Statement]) -> set[str]:
    return {action for statement in policy for action in listed(statement["Action"])}


def resources_of(policy: list[Statement], action: str) -> str:
    """All resources of an action as text, in which a test may look for a name."""
    return json.dumps([s["Resource"] for s in policy if action in listed(s["Action"])])


def test_every_role_has_exactly_the_declared_actions(dev: Assembly) -> None:
    assert {name: actions(policy) for name, policy in statements(dev).items()} == ACTIONS


def test_no_role_has_managed_or_inline_policies_besides(dev: Assembly) -> None:
    for name, role in of_type(dev.training, "AWS::IAM::Role").items():
        assert role.keys() == {"AssumeRolePolicyDocument"}, name


def test_an_action_on_everything_is_one_that_knows_no_resource(dev: Assembly) -> None:
    for name, policy in statements(dev).items():
        for statement in policy:
            assert not [action for action in listed(statement["Action"]) if "*" in action]
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= ON_EVERYTHING, name


def test_roles_are_passed_to_sagemaker_only(dev: Assembly) -> None:
    (passing,) = [
        statement
        for statement in statements(dev)["StateMachineRole"]
        if "iam:PassRole" in listed(statement["Action"])
    ]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
    passed = {resource["Fn::GetAtt"][0][:-8] for resource in passing["Resource"]}
    assert passed == {
        "ValidationJobRole",
        "TrainingJobRole",
        "EvaluationJobRole",
        "ModelExecutionRole",
    }


def test_sync_jobs_may_use_the_service_s_managed_rules(dev: Assembly) -> None:
    rules = resources_of(statements(dev)["StateMachineRole"], "events:PutRule")
    assert "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule" in rules
    assert "rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule" in rules


def test_deployment_is_allowed_on_the_endpoint_and_on_its_configs(dev: Assembly) -> None:
    allowed = resources_of(statements(dev)["StateMachineRole"], "sagemaker:UpdateEndpoint")
    assert "-staging" in allowed
    assert ":endpoint-config/" in allowed


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        (
            "ValidationJobRole",
            {"/*/_MANIFEST.json", "/*/train/*", "/*/validation/*"},
            {"/runs/*/validation/*"},
        ),
        ("TrainingJobRole", {"/*/train/*", "/*/validation/*"}, {"/runs/*/training/*"}),
        (
            "EvaluationJobRole",
            {"/*/train/*", "/*/validation/*", "/runs/*/training/*"},
            {"/runs/*/evaluation/*"},
        ),
        ("ModelExecutionRole", {"/runs/*/training/*"}, set()),
        ("EvaluationReaderLambdaRole", {"/runs/*/evaluation/*"}, set()),
        ("ModelTestLambdaRole", {"/runs/*/evaluation/*"}, set()),
        ("ModelRegistryLambdaRole", set(), {"/runs/*/version.json"}),
        (
            "PrepareRunLambdaRole",
            {
                "/*/_MANIFEST.json",
                "/*/train/*",
                "/*/validation/*",
                "/runs/*/attempts/*",
                "/runs/*/version.json",
            },
            {"/runs/*/attempts/*"},
        ),
    ],
)
def test_each_role_reads_and_writes_its_own_keys(
    dev: Assembly, role: str, reads: set[str], writes: set[str]
) -> None:
    def keys(action: str) -> set[str]:
        resources = json.loads(resources_of(statements(dev)[role], action))
        flat = [item for resource in resources for item in listed(resource)]
        return {item["Fn::Join"][1][-1] for item in flat}

    assert (keys("s3:GetObject"), keys("s3:PutObject")) == (reads, writes)


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
    assert uploads["Action"] == "kms:GenerateDataKey"
    assert uploads["Condition"]["StringEquals"].keys() == {"kms:CallerAccount", "kms:ViaService"}


def test_only_the_rule_may_send_to_the_dead_letter_queue(dev: Assembly) -> None:
    (policy,) = of_type(dev.training, "AWS::SQS::QueuePolicy").values()
    allows = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    (allow,) = allows
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Action"] == "sqs:SendMessage"
    (source,) = allow["Condition"]["ArnEquals"].values()
    assert source["Fn::GetAtt"][0].startswith("DatasetTriggerRule")
