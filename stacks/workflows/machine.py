"""The training state machine itself: its definition, role, log and rights."""

from aws_cdk import Aws, CfnResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn

from stacks.constructs.python_function import RETENTION
from stacks.constructs.training_functions import TrainingFunctions
from stacks.constructs.training_roles import TrainingRoles
from stacks.settings import Settings
from stacks.storage import StorageStack
from stacks.workflows.permissions import training_permissions
from stacks.workflows.training import longest_run_seconds, training_workflow
from stacks.workflows.training_tasks import TrainingTasks


def training_machine(
    stack: Stack, functions: TrainingFunctions, storage: StorageStack, settings: Settings
) -> sfn.StateMachine:
    """Create the state machine in a stack, with the roles of the jobs that it starts."""
    roles = TrainingRoles(stack, storage, settings.account.network)
    tasks = TrainingTasks(
        stack,
        functions=functions,
        roles=roles,
        kms_key_arn=storage.key.key_arn,
        account=settings.account,
        project=settings.project,
        training=settings.training,
        quality=settings.quality,
        endpoint=settings.endpoint,
    )
    log_group = _log_group(stack, storage, settings)
    workflow = training_workflow(stack, tasks, settings.quality)
    state_machine = sfn.StateMachine(
        stack,
        "TrainingStateMachine",
        definition_body=sfn.DefinitionBody.from_chainable(workflow),
        role=_role(stack),
        timeout=Duration.seconds(longest_run_seconds(tasks, settings.endpoint)),
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True
        ),
    )
    resource = state_machine.node.default_child
    assert isinstance(resource, CfnResource)  # noqa: S101
    resource.override_logical_id("TrainingStateMachine")
    for statement in training_permissions(
        stack, storage=storage, functions=functions, roles=roles, settings=settings
    ):
        state_machine.add_to_role_policy(statement)
    functions.allow_reading_executions(state_machine)
    return state_machine


def _log_group(stack: Stack, storage: StorageStack, settings: Settings) -> logs.LogGroup:
    # The vendedlogs prefix keeps log delivery out of the account's one resource policy.
    return logs.LogGroup(
        stack,
        "StateMachineLogs",
        log_group_name=f"/aws/vendedlogs/states/{stack.stack_name}",
        retention=RETENTION[settings.training.log_retention_days],
        encryption_key=storage.key,
        removal_policy=RemovalPolicy.DESTROY,
    )


def _role(stack: Stack) -> iam.Role:
    return iam.Role(
        stack,
        "StateMachineRole",
        assumed_by=iam.ServicePrincipal(
            "states.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        ),
    )
