"""From a data set's arrival to a registered, staged and tested model version."""

from aws_cdk import Aws, CfnOutput, CfnResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.dataset_trigger import DatasetTrigger
from stacks.constructs.python_function import RETENTION
from stacks.constructs.training_functions import TrainingFunctions
from stacks.constructs.training_roles import TrainingRoles
from stacks.settings import (
    EndpointSettings,
    ProjectSettings,
    QualitySettings,
    TrainingSettings,
)
from stacks.storage import StorageStack
from stacks.workflows.permissions import training_permissions
from stacks.workflows.tasks import PROVISIONING_SECONDS
from stacks.workflows.training import training_workflow
from stacks.workflows.training_tasks import TrainingTasks

# What the Lambdas, and retries of throttled requests, may add to the jobs and the endpoint.
OVERHEAD_SECONDS = 3600


class TrainingStack(Stack):
    """Trigger → state machine → jobs, registry and staging endpoint, a role per purpose."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        lambdas: lambda_.Code,
        storage: StorageStack,
        project: ProjectSettings,
        training: TrainingSettings,
        quality: QualitySettings,
        endpoint: EndpointSettings,
    ) -> None:
        super().__init__(scope, construct_id, description="Trains, registers, stages, tests")
        roles = TrainingRoles(self, storage)
        functions = TrainingFunctions(
            self,
            code=lambdas,
            storage=storage,
            project=project,
            training=training,
            endpoint=endpoint,
        )
        tasks = TrainingTasks(
            self,
            functions=functions,
            roles=roles,
            kms_key_arn=storage.key.key_arn,
            project=project,
            training=training,
            quality=quality,
            endpoint=endpoint,
        )
        state_machine = self._state_machine(
            training_workflow(self, tasks, quality), training, endpoint
        )
        for statement in training_permissions(
            self, storage=storage, functions=functions, roles=roles, project=project
        ):
            state_machine.add_to_role_policy(statement)
        functions.allow_reading_executions(state_machine)
        trigger = DatasetTrigger(
            self,
            "DatasetTrigger",
            bucket=storage.bucket,
            key=storage.key,
            state_machine=state_machine,
        )
        CfnOutput(self, "StateMachineArn", value=state_machine.state_machine_arn)
        CfnOutput(self, "StagingEndpointName", value=project.staging_endpoint_name)
        CfnOutput(self, "DeadLetterQueueUrl", value=trigger.dead_letter_queue.queue_url)

    def _state_machine(
        self, workflow: sfn.IChainable, training: TrainingSettings, endpoint: EndpointSettings
    ) -> sfn.StateMachine:
        # The vendedlogs prefix keeps log delivery out of the account's one resource policy.
        log_group = logs.LogGroup(
            self,
            "StateMachineLogs",
            log_group_name=f"/aws/vendedlogs/states/{self.stack_name}",
            retention=RETENTION[training.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        state_machine = sfn.StateMachine(
            self,
            "TrainingStateMachine",
            definition_body=sfn.DefinitionBody.from_chainable(workflow),
            role=iam.Role(
                self,
                "StateMachineRole",
                assumed_by=iam.ServicePrincipal(
                    "states.amazonaws.com",
                    conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
                ),
            ),
            timeout=Duration.seconds(_longest_run_seconds(training, endpoint)),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
        )
        resource = state_machine.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101
        resource.override_logical_id("TrainingStateMachine")
        return state_machine


def _longest_run_seconds(training: TrainingSettings, endpoint: EndpointSettings) -> int:
    processing = 2 * (training.processing.max_runtime_seconds + PROVISIONING_SECONDS)
    job = training.max_runtime_seconds + PROVISIONING_SECONDS
    return processing + job + endpoint.timeout_seconds + OVERHEAD_SECONDS
