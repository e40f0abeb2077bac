"""From a data set's arrival to a registered, staged and tested model version."""

from aws_cdk import Aws, CfnOutput, CfnResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.dataset_trigger import DatasetTrigger
from stacks.constructs.dead_letters import DeadLetterQueue
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.lambda_bundle import LambdaBundle
from stacks.constructs.monitoring import Monitoring
from stacks.constructs.notifications import RunTopic
from stacks.constructs.python_function import RETENTION
from stacks.constructs.run_endings import RunEndings
from stacks.constructs.run_table import RunTable
from stacks.constructs.timetable import Timetable
from stacks.constructs.training_functions import TrainingFunctions
from stacks.constructs.training_roles import TrainingRoles
from stacks.settings import Settings
from stacks.storage import StorageStack
from stacks.workflows.permissions import training_permissions
from stacks.workflows.training import longest_run_seconds, training_workflow
from stacks.workflows.training_tasks import TrainingTasks


class TrainingStack(Stack):
    """Trigger → state machine → jobs, registry and staging endpoint → the end of every run."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        environment: str,
        *,
        lambdas: LambdaBundle,
        storage: StorageStack,
    ) -> None:
        super().__init__(scope, construct_id, description="Trains, registers, stages, tests")
        project = settings.project
        others = f"{project.name}-{environment}-model-code-*"
        queue = DeadLetterQueue(self, "DeadLetterQueue", key=storage.key, rules=others)
        table = RunTable(self, "RunTable", key=storage.key)
        runs = RunTopic(self, "Runs", key=storage.key, notifications=settings.notifications)
        timetable = Timetable(self, "Timetable", dead_letter_queue=queue, key=storage.key)
        retention = settings.training.log_retention_days
        factory = FunctionFactory(
            self, lambdas.code(), storage.key, project.name, retention, queue, environment
        )
        functions = TrainingFunctions(
            factory, storage=storage, table=table, project=project, endpoint=settings.endpoint
        )
        state_machine = self._state_machine(functions, storage, settings)
        trigger = DatasetTrigger(
            self,
            "DatasetTrigger",
            functions=factory,
            storage=storage,
            table=table,
            state_machine=state_machine,
            timetable=timetable,
            trigger=settings.trigger,
        )
        endings = RunEndings(
            self,
            "RunEndings",
            functions=factory,
            storage=storage,
            table=table,
            topic=runs.topic,
            state_machine=state_machine,
            settings=settings,
        )
        endings.reconcile(trigger, timetable, settings.trigger)
        monitoring = Monitoring(
            self,
            "Monitoring",
            state_machine=state_machine,
            dead_letter_queue=queue,
            functions=[*functions.all, *trigger.functions],
            endings=endings.functions,
            topic=runs.topic,
            settings=settings,
        )
        # What the model code's pipeline starts, tells and remembers with.
        self.state_machine, self.dead_letter_queue = state_machine, queue
        self.table, self.topic = table, runs.topic
        CfnOutput(self, "StateMachineArn", value=state_machine.state_machine_arn)
        CfnOutput(self, "StagingEndpointName", value=project.staging_endpoint_name)
        CfnOutput(self, "DeadLetterQueueUrl", value=queue.queue_url)
        CfnOutput(self, "RunTableName", value=table.table_name)
        CfnOutput(self, "TopicArn", value=runs.topic.topic_arn)
        CfnOutput(self, "ScheduleGroupName", value=timetable.group_name)
        CfnOutput(self, "DashboardName", value=monitoring.dashboard_name)

    def _state_machine(
        self, functions: TrainingFunctions, storage: StorageStack, settings: Settings
    ) -> sfn.StateMachine:
        roles = TrainingRoles(self, storage, settings.account.network)
        tasks = TrainingTasks(
            self,
            functions=functions,
            roles=roles,
            kms_key_arn=storage.key.key_arn,
            account=settings.account,
            project=settings.project,
            training=settings.training,
            quality=settings.quality,
            endpoint=settings.endpoint,
        )
        # The vendedlogs prefix keeps log delivery out of the account's one resource policy.
        log_group = logs.LogGroup(
            self,
            "StateMachineLogs",
            log_group_name=f"/aws/vendedlogs/states/{self.stack_name}",
            retention=RETENTION[settings.training.log_retention_days],
            encryption_key=storage.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        workflow = training_workflow(self, tasks, settings.quality)
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
            self, storage=storage, functions=functions, roles=roles, settings=settings
        ):
            state_machine.add_to_role_policy(statement)
        functions.allow_reading_executions(state_machine)
        return state_machine
