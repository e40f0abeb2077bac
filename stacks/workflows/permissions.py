"""What the training state machine may do, beyond the logging and tracing that CDK adds."""

from collections.abc import Iterator

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from stacks.constructs import statements
from stacks.constructs.training_functions import TrainingFunctions
from stacks.constructs.training_roles import TrainingRoles
from stacks.settings import Settings
from stacks.storage import StorageStack


def training_permissions(
    stack: Stack,
    *,
    storage: StorageStack,
    functions: TrainingFunctions,
    roles: TrainingRoles,
    settings: Settings,
) -> Iterator[iam.PolicyStatement]:
    """One statement a purpose; names of a run start with the project's."""
    project = settings.project

    def arn(resource: str, name: str = f"{project.name}-*") -> str:
        return stack.format_arn(service="sagemaker", resource=resource, resource_name=name)

    yield statements.allow(
        ["lambda:InvokeFunction"], [function.function_arn for function in functions.all]
    )
    yield statements.allow(
        [
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
        ],
        [arn("training-job")],
    )
    yield statements.allow(
        [
            "sagemaker:CreateProcessingJob",
            "sagemaker:DescribeProcessingJob",
            "sagemaker:StopProcessingJob",
        ],
        [arn("processing-job")],
    )
    # `.sync` marks its jobs with a tag of its own and reads it.
    yield statements.allow(
        ["sagemaker:AddTags", "sagemaker:ListTags"], [arn("training-job"), arn("processing-job")]
    )
    created = ("model", "endpoint-config", "endpoint")
    yield statements.allow(["sagemaker:AddTags"], [arn(resource) for resource in created])
    yield _managed_rules(stack)
    yield statements.allow(["sagemaker:CreateModel"], [arn("model")])
    yield statements.allow(["sagemaker:CreateEndpointConfig"], [arn("endpoint-config")])
    yield statements.allow(
        ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"],
        [arn("endpoint", project.staging_endpoint_name), arn("endpoint-config")],
    )
    yield statements.allow(
        ["iam:PassRole"],
        [role.role_arn for role in roles.all],
        {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )
    yield statements.create_grant(storage.key)


def _managed_rules(stack: Stack) -> iam.PolicyStatement:
    """`.sync` hears of a job's end through rules that Step Functions keeps in the account."""
    names = (
        "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
        "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    )
    return statements.allow(
        ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
        [stack.format_arn(service="events", resource="rule", resource_name=name) for name in names],
    )
