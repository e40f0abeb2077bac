"""What brings every execution to its end, however it ended, and makes up for lost events."""

from collections.abc import Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.dataset_trigger import MANIFESTS, DatasetTrigger
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.run_table import RunTable
from stacks.constructs.timetable import Timetable
from stacks.constructs.training_functions import VERSION_RECORDS, executions_arn
from stacks.constructs.training_roles import PROCESSING_LOGS, TRAINING_LOGS
from stacks.settings import Settings, TriggerSettings
from stacks.storage import StorageStack

ENDED = ("FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED")


class RunEndings(Construct):
    """RunEnded on every status change, and a reconciler for what no event told of."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionFactory,
        storage: StorageStack,
        table: RunTable,
        topic: sns.ITopic,
        state_machine: sfn.StateMachine,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._functions = functions
        self._storage = storage
        self._table = table
        self._state_machine = state_machine
        self._project = settings.project
        self._endpoint = settings.endpoint
        self.run_ended = self._run_ended(topic, settings.notifications.on_success)
        self.functions = [self.run_ended]
        self._rule(
            "StatusRule",
            "An execution ended",
            "aws.states",
            "Step Functions Execution Status Change",
            {"stateMachineArn": [state_machine.state_machine_arn], "status": list(ENDED)},
        )
        self._rule(
            "EndpointRule",
            "The staging endpoint came to rest: what had to wait for it may go on",
            "aws.sagemaker",
            "SageMaker Endpoint State Change",
            {"EndpointName": [self._project.staging_endpoint_name]},
        )

    def reconcile(
        self, trigger: DatasetTrigger, timetable: Timetable, settings: TriggerSettings
    ) -> None:
        """Look regularly for executions, uploads and endpoints that an event was lost for."""
        reconciler = self._reconciler(trigger, settings)
        self.functions.append(reconciler)
        unit = "minute" if settings.reconcile_minutes == 1 else "minutes"
        timetable.add(
            "Reconcile",
            reconciler,
            description="Makes up for lost events, ends the staging endpoint's time to live",
            expression=f"rate({settings.reconcile_minutes} {unit})",
            payload={},
        )

    def _run_ended(self, topic: sns.ITopic, notify_on_success: bool) -> PythonFunction:
        return self._function(
            "RunEndedLambda",
            "run_ended",
            "Stops, cleans up, rejects, frees staging and notifies when an execution has ended",
            {
                "PROJECT_NAME": self._project.name,
                "ENVIRONMENT_NAME": self._functions.environment_name,
                "MODEL_PACKAGE_GROUP_NAME": self._project.model_package_group_name,
                "TOPIC_ARN": topic.topic_arn,
                "KEPT_CONFIGS": str(self._endpoint.kept_configs),
                "NOTIFY_ON_SUCCESS": str(notify_on_success).lower(),
            },
            [
                *self._reading_runs(),
                *self._removing(),
                self._table.allow("GetItem", "UpdateItem", "DeleteItem"),
                statements.allow(["sns:Publish"], [topic.topic_arn]),
                # As for the state machine: whoever deploys a config with a key needs its grant.
                statements.create_grant(self._storage.key),
            ],
            timeout_seconds=300,
        )

    def _reading_runs(self) -> list[iam.PolicyStatement]:
        stack = Stack.of(self)
        streams = [
            stack.format_arn(
                service="logs",
                resource="log-group",
                resource_name=f"{group}:*",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            for group in (TRAINING_LOGS, PROCESSING_LOGS)
        ]
        return [
            statements.allow(
                ["states:DescribeExecution", "states:GetExecutionHistory"],
                [executions_arn(self._state_machine)],
            ),
            statements.list_objects(self._storage.bucket),
            statements.read_objects(self._storage.bucket, VERSION_RECORDS),
            statements.allow(["logs:DescribeLogStreams", "logs:GetLogEvents"], streams),
        ]

    def _removing(self) -> list[iam.PolicyStatement]:
        """Name what is changed; what is only read is read everywhere, to see what refers to it."""
        staging = self._arn("endpoint", self._project.staging_endpoint_name)
        configs, models = self._arn("endpoint-config"), self._arn("model")
        group = self._project.model_package_group_name
        return [
            statements.allow(
                ["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"],
                [self._arn("training-job")],
            ),
            statements.allow(
                ["sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob"],
                [self._arn("processing-job")],
            ),
            statements.allow(
                ["sagemaker:DescribeModelPackage", "sagemaker:UpdateModelPackage"],
                [self._arn("model-package", f"{group}/*")],
            ),
            statements.allow(
                ["sagemaker:ListModelPackages"],
                [self._arn("model-package-group", group), self._arn("model-package", f"{group}/*")],
            ),
            # The listings know no resource.
            statements.allow(["sagemaker:ListEndpoints", "sagemaker:ListEndpointConfigs"], ["*"]),
            statements.allow(
                ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"],
                [self._arn("endpoint", "*"), self._arn("endpoint-config", "*")],
            ),
            statements.allow(["sagemaker:UpdateEndpoint"], [staging, configs]),
            statements.allow(["sagemaker:DeleteEndpoint"], [staging]),
            statements.allow(["sagemaker:DeleteEndpointConfig"], [configs]),
            statements.allow(["sagemaker:DescribeModel", "sagemaker:DeleteModel"], [models]),
        ]

    def _reconciler(self, trigger: DatasetTrigger, settings: TriggerSettings) -> PythonFunction:
        asked = (trigger.start_run, trigger.dataset_sealer, self.run_ended)
        staging = self._arn("endpoint", self._project.staging_endpoint_name)
        machine_arn = self._state_machine.state_machine_arn
        return self._function(
            "ReconcilerLambda",
            "reconciler",
            "Finds executions and uploads whose events were lost, and an endpoint past its time",
            {
                "ENDPOINT_TIME_TO_LIVE_SECONDS": str(
                    round(self._endpoint.time_to_live_hours * 3600)
                ),
                "QUIET_PERIOD_SECONDS": str(settings.quiet_period_seconds),
                "IMAGE_PARAMETER_NAME": self._storage.image_parameter_name,
                "STATE_MACHINE_ARN": machine_arn,
                "START_RUN_FUNCTION_ARN": trigger.start_run.function_arn,
                "DATASET_SEALER_FUNCTION_ARN": trigger.dataset_sealer.function_arn,
                "RUN_ENDED_FUNCTION_ARN": self.run_ended.function_arn,
            },
            [
                self._table.allow("GetItem", "PutItem", "DeleteItem"),
                statements.allow(
                    ["states:DescribeStateMachine", "states:ListExecutions"], [machine_arn]
                ),
                statements.allow(
                    ["states:DescribeExecution"], [executions_arn(self._state_machine)]
                ),
                statements.allow(["ssm:GetParameterHistory"], [self._storage.image_parameter_arn]),
                statements.list_objects(self._storage.bucket),
                statements.read_objects(self._storage.bucket, MANIFESTS),
                statements.allow(
                    ["lambda:InvokeFunction"], [function.function_arn for function in asked]
                ),
                statements.allow(
                    ["sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint"], [staging]
                ),
            ],
            timeout_seconds=300,
        )

    def _function(
        self,
        construct_id: str,
        module: str,
        description: str,
        environment: Mapping[str, str],
        permissions: Sequence[iam.PolicyStatement],
        *,
        timeout_seconds: int,
    ) -> PythonFunction:
        return self._functions.function(
            construct_id,
            module,
            description,
            {
                "BUCKET_NAME": self._storage.bucket.bucket_name,
                "RUN_TABLE_NAME": self._table.table_name,
                "ENDPOINT_NAME": self._project.staging_endpoint_name,
                **environment,
            },
            [*permissions, statements.use(self._storage.key)],
            timeout_seconds=timeout_seconds,
            takes_events=True,
        )

    def _arn(self, resource: str, name: str = "") -> str:
        return Stack.of(self).format_arn(
            service="sagemaker", resource=resource, resource_name=name or f"{self._project.name}-*"
        )

    def _rule(
        self,
        construct_id: str,
        description: str,
        source: str,
        detail_type: str,
        detail: Mapping[str, Sequence[str]],
    ) -> None:
        events.Rule(
            self,
            construct_id,
            description=description,
            event_pattern=events.EventPattern(
                source=[source], detail_type=[detail_type], detail=dict(detail)
            ),
            targets=[self._functions.target(self.run_ended)],
        )
