"""Who of the model code's stack may do what: exact actions on exact resources."""

from typing import Any

from stacks.settings_file import load_settings
from tests.synth.assembly import ROOT, Assembly, listed, of_type, resolved
from tests.synth.grants import (
    TRACING,
    Grants,
    fed_by_events,
    grants,
    merged,
    on,
    statements,
    table,
    used,
)

SETTINGS = load_settings(ROOT / "mlops.toml", "dev")
PROJECT, PIPELINE = SETTINGS.project.name, SETTINGS.model_code.pipeline_name
ARTIFACTS = f"Bucket/{PIPELINE[:20]}"
PROJECTS = {f"project/{PROJECT}-dev-model-code-{stage}" for stage in ("test", "build")}
MACHINE = f"{PROJECT}-dev-training-ExportsOutputFnGetAttTrainingStateMachineName"


def build(name: str, output: str) -> Grants:
    return merged(
        on(f"{name}Logs", "logs:CreateLogStream", "logs:PutLogEvents"),
        on(f"{ARTIFACTS}/SourceOutp*", "s3:GetObject", "s3:GetObjectVersion"),
        on(f"{ARTIFACTS}/{output}*", "s3:PutObject"),
        used(),
    )


BUILDING = merged(
    build("Build", "BuildOutpu"),
    on("*", "ecr:GetAuthorizationToken", "inspector2:ListCoverage", "inspector2:ListFindings"),
    on(
        "Repository",
        "ecr:BatchCheckLayerAvailability",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
        "ecr:BatchGetImage",
        "ecr:DescribeImageScanFindings",
    ),
    on(f"parameter/{PROJECT}/dev/image", "ssm:PutParameter"),
    on("Bucket", "s3:ListBucket"),
)
CONDUCTING = merged(
    on(PROJECTS, "codebuild:BatchGetBuilds", "codebuild:StartBuild"),
    on("TrainingStateMachine", "states:DescribeStateMachine", "states:StartExecution"),
    on(f"execution:{MACHINE}:*", "states:DescribeExecution"),
    on("Bucket", "s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"),
    on(f"{ARTIFACTS}/*", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"),
    used(),
)
FROM_CODECOMMIT = on(
    "ModelCode",
    "codecommit:GetBranch",
    "codecommit:GetCommit",
    "codecommit:UploadArchive",
    "codecommit:GetUploadArchiveStatus",
    "codecommit:CancelUploadArchive",
)
# the attribute ConnectionArn of the resource Connection
BY_CONNECTION = on("ConnectionConnection", "codeconnections:UseConnection")
GRANTS: dict[str, Grants] = {
    "TestRole": build("Test", "TestOutput"),
    "BuildRole": merged(BUILDING, on("ModelCode", "codecommit:GetCommit")),
    "PipelineRole": merged(CONDUCTING, FROM_CODECOMMIT),
    "PipelineStartRole": on("ModelPipeline", "codepipeline:StartPipelineExecution"),
    "PipelineFailedLambdaRole": fed_by_events(
        "PipelineFailedLambda",
        table("GetItem", "UpdateItem"),
        on("RunTopic", "sns:Publish"),
        on(PIPELINE, "codepipeline:GetPipelineExecution", "codepipeline:ListActionExecutions"),
        on(PROJECTS, "codebuild:BatchGetBuilds"),
        on({"TestLogs", "BuildLogs"}, "logs:GetLogEvents"),
    ),
}
CONNECTED: dict[str, Grants] = {
    "TestRole": merged(build("Test", "TestOutput"), BY_CONNECTION),
    "BuildRole": merged(BUILDING, BY_CONNECTION),
    "PipelineRole": merged(CONDUCTING, BY_CONNECTION),
    "PipelineFailedLambdaRole": GRANTS["PipelineFailedLambdaRole"],
}
# IAM knows no resource for these.
ON_EVERYTHING = TRACING | {
    "ecr:GetAuthorizationToken",
    "inspector2:ListCoverage",
    "inspector2:ListFindings",
}
TOLD = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"ended#{PIPELINE}:*"]}}


def found(assembly: Assembly) -> dict[str, Grants]:
    return {name: grants(policy) for name, policy in statements(assembly.model_code).items()}


def trust(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Return the one statement of each role's trust, by the role's name without CDK's hash."""
    roles = of_type(assembly.model_code, "AWS::IAM::Role")
    return {
        name[:-8]: role["AssumeRolePolicyDocument"]["Statement"][0] for name, role in roles.items()
    }


def test_every_role_has_exactly_the_declared_actions_on_the_declared_resources(
    dev: Assembly,
) -> None:
    assert found(dev) == GRANTS


def test_a_connection_is_used_by_those_who_read_the_code_and_gives_nothing_else(
    connection: Assembly,
) -> None:
    assert found(connection) == CONNECTED


def test_a_connection_is_used_for_the_one_repository(connection: Assembly) -> None:
    key = {"codeconnections:FullRepositoryId": "company/models"}
    used = {
        name: statement["Condition"]
        for name, policy in statements(connection.model_code).items()
        for statement in policy
        if statement["Action"] == "codeconnections:UseConnection"
    }
    assert used == {
        "TestRole": {"StringEquals": key},
        "BuildRole": {"StringEquals": key},
        "PipelineRole": {"StringEqualsIfExists": key},
    }


def test_no_action_is_a_wildcard_and_everything_is_no_resource_of_what_knows_one(
    dev: Assembly, connection: Assembly
) -> None:
    for assembly in (dev, connection):
        for name, policy in statements(assembly.model_code).items():
            for statement in policy:
                actions = set(listed(statement["Action"]))
                assert not [action for action in actions if "*" in action], name
                if "*" in listed(statement["Resource"]):
                    assert actions <= ON_EVERYTHING, name


def test_who_tells_of_failures_writes_of_this_pipeline_alone(dev: Assembly) -> None:
    for name, policy in statements(dev.model_code).items():
        for statement in policy:
            is_of_table = listed(statement["Action"])[0].startswith("dynamodb:")
            assert statement.get("Condition") == (TOLD if is_of_table else None), name


def test_each_service_takes_its_role_for_its_own_resource(dev: Assembly) -> None:
    for role, service, resource in (
        ("TestRole", "codebuild", f"project/{PROJECT}-dev-model-code-test"),
        ("BuildRole", "codebuild", f"project/{PROJECT}-dev-model-code-build"),
        ("PipelineRole", "codepipeline", PIPELINE),
    ):
        statement = trust(dev)[role]
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
        condition = statement["Condition"]["StringEquals"]
        assert condition["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
        source = resolved(condition["aws:SourceArn"])
        assert source == f"arn:aws:{service}:AWS::Region:AWS::AccountId:{resource}"
    starts = trust(dev)["PipelineStartRole"]
    assert starts["Principal"] == {"Service": "events.amazonaws.com"}
    account = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert starts["Condition"] == {"StringEquals": account}


def test_no_role_has_managed_or_inline_policies_besides(dev: Assembly) -> None:
    for name, role in of_type(dev.model_code, "AWS::IAM::Role").items():
        assert role.keys() == {"AssumeRolePolicyDocument", "Tags"}, name
