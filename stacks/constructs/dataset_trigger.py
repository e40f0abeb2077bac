"""What starts runs: a manifest at once, files without one after a quiet period, a schedule."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.run_table import RunTable
from stacks.constructs.timetable import Timetable
from stacks.settings import TriggerSettings
from stacks.storage import StorageStack

MANIFESTS = "*/_MANIFEST.json"
DATA_FILES = ("*/train/*", "*/validation/*")
SEALER_TIMEOUT_SECONDS = 900


class DatasetTrigger(Construct):
    """S3 → EventBridge → Lambda → execution; every file that arrives ends in one manifest."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionFactory,
        storage: StorageStack,
        table: RunTable,
        state_machine: sfn.StateMachine,
        timetable: Timetable,
        trigger: TriggerSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._functions = functions
        self._storage = storage
        self.start_run = self._start_run(state_machine)
        self.dataset_sealer = self._dataset_sealer(table)
        self.functions = [self.start_run, self.dataset_sealer]
        self._rule(
            "ManifestRule",
            "A data set's manifest, written last, starts a run",
            [{"suffix": MANIFESTS.removeprefix("*")}],
            self.start_run,
        )
        if trigger.quiet_period_seconds:
            timetable.may_invoke(self.dataset_sealer)
            upload_watch = self._upload_watch(timetable, trigger)
            self.functions.append(upload_watch)
            description = "A data set's file begins its quiet period anew"
            patterns = [{"wildcard": pattern} for pattern in DATA_FILES]
            self._rule("DataFileRule", description, patterns, upload_watch)
        if trigger.schedule:
            timetable.add(
                "StartRun",
                self.start_run,
                description="Trains without an upload, if anything has changed",
                expression=trigger.schedule,
                payload={
                    "scheduled_time": "<aws.scheduler.scheduled-time>",
                    "dataset": trigger.schedule_dataset,
                },
            )

    def _start_run(self, state_machine: sfn.StateMachine) -> PythonFunction:
        return self._function(
            "StartRunLambda",
            "start_run",
            "Starts one execution for each manifest that arrives, or a schedule asks for",
            {
                "IMAGE_PARAMETER_NAME": self._storage.image_parameter_name,
                "STATE_MACHINE_ARN": state_machine.state_machine_arn,
            },
            [
                statements.allow(["ssm:GetParameter"], [self._storage.image_parameter_arn]),
                statements.allow(["states:StartExecution"], [state_machine.state_machine_arn]),
                statements.list_objects(self._storage.bucket),
                statements.read_objects(self._storage.bucket, MANIFESTS),
                statements.decrypt(self._storage.key),
            ],
            timeout_seconds=60,
        )

    def _dataset_sealer(self, table: RunTable) -> PythonFunction:
        bucket, key = self._storage.bucket, self._storage.key
        versions = [bucket.arn_for_objects(pattern) for pattern in (MANIFESTS, *DATA_FILES)]
        return self._function(
            "DatasetSealerLambda",
            "dataset_sealer",
            "Writes the manifest of a data set version that was uploaded without one",
            {"RUN_TABLE_NAME": table.table_name},
            [
                statements.list_objects(bucket),
                statements.allow(["s3:ListBucketVersions"], [bucket.bucket_arn]),
                statements.allow(["s3:GetObject", "s3:GetObjectVersion"], versions),
                statements.write_objects(bucket, MANIFESTS),
                statements.decrypt(key),
                statements.encrypt(key),
                table.allow("GetItem", "PutItem", items="sealed#*"),
            ],
            timeout_seconds=SEALER_TIMEOUT_SECONDS,
            memory_mb=1024,
        )

    def _upload_watch(self, timetable: Timetable, trigger: TriggerSettings) -> PythonFunction:
        return self._function(
            "UploadWatchLambda",
            "upload_watch",
            "Postpones the sealing of a data set version with each file that arrives",
            {
                "QUIET_PERIOD_SECONDS": str(trigger.quiet_period_seconds),
                "SCHEDULE_GROUP_NAME": timetable.group_name,
                "SCHEDULE_ROLE_ARN": timetable.role.role_arn,
                "SEALER_FUNCTION_ARN": self.dataset_sealer.function_arn,
                "DEAD_LETTER_QUEUE_ARN": self._functions.dead_letter_queue.queue_arn,
            },
            [
                statements.allow(
                    ["scheduler:CreateSchedule", "scheduler:UpdateSchedule"],
                    [timetable.schedules_arn],
                ),
                statements.allow(
                    ["iam:PassRole"],
                    [timetable.role.role_arn],
                    {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
                ),
            ],
        )

    def _function(
        self,
        construct_id: str,
        module: str,
        description: str,
        environment: Mapping[str, str],
        permissions: Sequence[iam.PolicyStatement],
        **limits: Any,
    ) -> PythonFunction:
        return self._functions.function(
            construct_id,
            module,
            description,
            {"BUCKET_NAME": self._storage.bucket.bucket_name, **environment},
            [*permissions, statements.use(self._storage.key)],
            takes_events=True,
            **limits,
        )

    def _rule(
        self,
        construct_id: str,
        description: str,
        keys: Sequence[Mapping[str, str]],
        function: PythonFunction,
    ) -> None:
        events.Rule(
            self,
            construct_id,
            description=description,
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [self._storage.bucket.bucket_name]},
                    "object": {"key": list(keys)},
                },
            ),
            targets=[self._functions.target(function)],
        )
