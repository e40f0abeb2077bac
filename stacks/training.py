"""From a data set's arrival to a registered, staged and tested model version."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from stacks.constructs.dataset_trigger import DatasetTrigger
from stacks.constructs.dead_letters import DeadLetterQueue
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.lambda_bundle import LambdaBundle
from stacks.constructs.monitoring import Monitoring
from stacks.constructs.notifications import RunTopic
from stacks.constructs.run_endings import RunEndings
from stacks.constructs.run_table import RunTable
from stacks.constructs.timetable import Timetable
from stacks.constructs.training_functions import TrainingFunctions
from stacks.settings import Settings
from stacks.storage import StorageStack
from stacks.workflows.machine import training_machine


class TrainingStack(Stack):
    """Trigger → state machine → jobs, registry and staging endpoint → the end of every run.

    The model code's pipeline starts its state machine, and tells and remembers with its topic,
    table and dead-letter queue.
    """

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
        self._storage, self._settings = storage, settings
        project, key = settings.project, storage.key
        others = f"{project.name}-{environment}-model-code-*"
        self.dead_letter_queue = queue = DeadLetterQueue(
            self, "DeadLetterQueue", key=key, rules=others
        )
        self.table = RunTable(self, "RunTable", key=key)
        self.topic = RunTopic(self, "Runs", key=key, notifications=settings.notifications).topic
        timetable = Timetable(self, "Timetable", dead_letter_queue=queue, key=key)
        retention = settings.training.log_retention_days
        factory = FunctionFactory(
            self, lambdas.code(), key, project.name, retention, queue, environment
        )
        functions = TrainingFunctions(
            factory, storage=storage, table=self.table, project=project, endpoint=settings.endpoint
        )
        self.state_machine = training_machine(self, functions, storage, settings)
        trigger = self._trigger(factory, timetable)
        endings = self._endings(factory)
        endings.reconcile(trigger, timetable, settings.trigger)
        monitoring = Monitoring(
            self,
            "Monitoring",
            state_machine=self.state_machine,
            dead_letter_queue=queue,
            functions=[*functions.all, *trigger.functions],
            endings=endings.functions,
            topic=self.topic,
            settings=settings,
        )
        self._outputs(timetable, monitoring)

    def _trigger(self, functions: FunctionFactory, timetable: Timetable) -> DatasetTrigger:
        return DatasetTrigger(
            self,
            "DatasetTrigger",
            functions=functions,
            storage=self._storage,
            table=self.table,
            state_machine=self.state_machine,
            timetable=timetable,
            trigger=self._settings.trigger,
        )

    def _endings(self, functions: FunctionFactory) -> RunEndings:
        return RunEndings(
            self,
            "RunEndings",
            functions=functions,
            storage=self._storage,
            table=self.table,
            topic=self.topic,
            state_machine=self.state_machine,
            settings=self._settings,
        )

    def _outputs(self, timetable: Timetable, monitoring: Monitoring) -> None:
        CfnOutput(self, "StateMachineArn", value=self.state_machine.state_machine_arn)
        CfnOutput(self, "StagingEndpointName", value=self._settings.project.staging_endpoint_name)
        CfnOutput(self, "DeadLetterQueueUrl", value=self.dead_letter_queue.queue_url)
        CfnOutput(self, "RunTableName", value=self.table.table_name)
        CfnOutput(self, "TopicArn", value=self.topic.topic_arn)
        CfnOutput(self, "ScheduleGroupName", value=timetable.group_name)
        CfnOutput(self, "DashboardName", value=monitoring.dashboard_name)
