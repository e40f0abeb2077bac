"""The training state machine's Lambdas: environment and permissions of each."""

from aws_cdk import ArnFormat, Aws, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn

from stacks.constructs import statements
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.run_table import RunTable
from stacks.settings import EndpointSettings, ProjectSettings
from stacks.storage import StorageStack

EVALUATIONS = "runs/*/evaluation/*"
CLAIMS = "runs/*/attempts/*"
VERSION_RECORDS = "runs/*/version.json"
# How late the event of an execution's end may be, before whoever waits for staging gives it up.
LATE_EVENT_SECONDS = 900


def executions_arn(state_machine: sfn.StateMachine) -> str:
    """ARN that matches every execution of a state machine."""
    return Stack.of(state_machine).format_arn(
        service="states",
        resource="execution",
        resource_name=f"{state_machine.state_machine_name}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


class TrainingFunctions:
    """The functions that the state machine invokes, by purpose."""

    def __init__(
        self,
        factory: FunctionFactory,
        *,
        storage: StorageStack,
        table: RunTable,
        project: ProjectSettings,
        endpoint: EndpointSettings,
    ) -> None:
        self._factory = factory
        self._scope = factory.scope
        self._storage = storage
        self._project = project
        self.prepare_run = self._prepare_run()
        self.evaluation_reader = self._evaluation_reader()
        self.model_registry = self._model_registry(endpoint)
        self.staging_lock = self._staging_lock(table, endpoint)
        self.endpoint_wait = self._endpoint_wait(endpoint)
        self.model_test = self._model_test()
        self.explain_failure = self._explain_failure()

    @property
    def all(self) -> tuple[PythonFunction, ...]:
        """What the state machine invokes."""
        return (*self._that_log, self.explain_failure)

    @property
    def _that_log(self) -> tuple[PythonFunction, ...]:
        return (
            self.prepare_run,
            self.evaluation_reader,
            self.model_registry,
            self.staging_lock,
            self.endpoint_wait,
            self.model_test,
        )

    def allow_reading_executions(self, state_machine: sfn.StateMachine) -> None:
        """Let PrepareRun and AcquireStaging ask whether another execution still runs.

        The policy is apart from the roles' own: the state machine names the functions, so they
        must not wait for a policy that names the state machine.
        """
        roles = [function.role for function in (self.prepare_run, self.staging_lock)]
        policy = iam.Policy(
            self._scope, "ReadsExecutions", roles=[role for role in roles if role is not None]
        )
        policy.add_statements(
            statements.allow(["states:DescribeExecution"], [executions_arn(state_machine)])
        )

    def _prepare_run(self) -> PythonFunction:
        bucket, key = self._storage.bucket, self._storage.key
        repository = self._storage.repository
        manifests = bucket.arn_for_objects("*/_MANIFEST.json")
        return self._factory.function(
            "PrepareRunLambda",
            "prepare_run",
            "Checks the data set's manifest, picks the image, claims the run key",
            {
                "PROJECT_NAME": self._project.name,
                # the last part of the stack's ARN: another one for each stack of this name
                "DEPLOYMENT_ID": Fn.select(2, Fn.split("/", Aws.STACK_ID)),
                "BUCKET_NAME": bucket.bucket_name,
                "REPOSITORY_NAME": repository.repository_name,
                "REPOSITORY_URI": repository.repository_uri,
                "IMAGE_PARAMETER_NAME": self._storage.image_parameter_name,
            },
            [
                statements.list_objects(bucket),
                statements.allow(["s3:GetObjectVersion"], [manifests]),
                statements.read_objects(
                    bucket,
                    "*/_MANIFEST.json",
                    CLAIMS,
                    VERSION_RECORDS,
                ),
                statements.write_objects(bucket, CLAIMS),
                statements.decrypt(key),
                statements.encrypt(key),
                statements.allow(["ssm:GetParameter"], [self._storage.image_parameter_arn]),
                statements.allow(["ecr:DescribeImages"], [repository.repository_arn]),
            ],
            timeout_seconds=120,
        )

    def _evaluation_reader(self) -> PythonFunction:
        return self._factory.function(
            "EvaluationReaderLambda",
            "evaluation_reader",
            "Reads the metrics that the quality gate tests",
            {},
            self._reading(EVALUATIONS),
        )

    def _model_registry(self, endpoint: EndpointSettings) -> PythonFunction:
        bucket, key = self._storage.bucket, self._storage.key
        group = self._project.model_package_group_name
        return self._factory.function(
            "ModelRegistryLambda",
            "model_registry",
            "Registers a model version that waits for a person's approval",
            {
                "BUCKET_NAME": bucket.bucket_name,
                "MODEL_PACKAGE_GROUP_NAME": group,
                "INSTANCE_TYPE": endpoint.instance_type,
            },
            [
                statements.allow(
                    ["sagemaker:CreateModelPackage"],
                    [
                        self._sagemaker("model-package-group", group),
                        self._sagemaker("model-package", f"{group}/*"),
                    ],
                ),
                *self._reading(VERSION_RECORDS),
                statements.write_objects(bucket, VERSION_RECORDS),
                statements.encrypt(key),
            ],
        )

    def _staging_lock(self, table: RunTable, endpoint: EndpointSettings) -> PythonFunction:
        return self._factory.function(
            "StagingLockLambda",
            "staging_lock",
            "Lets one execution at a time change and test the staging endpoint",
            {
                "RUN_TABLE_NAME": table.table_name,
                "LOCK_TIMEOUT_SECONDS": str(endpoint.lock_timeout_seconds),
                "CLEANUP_TIMEOUT_SECONDS": str(
                    LATE_EVENT_SECONDS + endpoint.timeout_seconds + endpoint.startup_timeout_seconds
                ),
            },
            [
                table.allow("GetItem", "PutItem"),
                statements.use(self._storage.key),
            ],
        )

    def _endpoint_wait(self, endpoint: EndpointSettings) -> PythonFunction:
        return self._factory.function(
            "EndpointWaitLambda",
            "endpoint_wait",
            "Describes the staging endpoint; failed, rolled back or late ends the run",
            {
                "ENDPOINT_NAME": self._project.staging_endpoint_name,
                "ENDPOINT_TIMEOUT_SECONDS": str(endpoint.timeout_seconds),
            },
            [statements.allow(["sagemaker:DescribeEndpoint"], [self._endpoint_arn])],
        )

    def _model_test(self) -> PythonFunction:
        return self._factory.function(
            "ModelTestLambda",
            "model_test",
            "Sends labelled rows through the endpoint and compares the metrics",
            {"ENDPOINT_NAME": self._project.staging_endpoint_name},
            [
                *self._reading(EVALUATIONS),
                statements.allow(["sagemaker:InvokeEndpoint"], [self._endpoint_arn]),
            ],
            timeout_seconds=300,
        )

    def _explain_failure(self) -> PythonFunction:
        log_groups = {
            function.node.id: function.log_group.log_group_name for function in self._that_log
        }
        return self._factory.function(
            "FailureLambda",
            "explain_failure",
            "Turns an error of any state into a named error and a cause one can act on",
            {
                "ENDPOINT_NAME": self._project.staging_endpoint_name,
                "ENVIRONMENT_NAME": self._factory.environment_name,
                "LOG_GROUPS": Stack.of(self._scope).to_json_string(log_groups),
            },
        )

    def _reading(self, pattern: str) -> list[iam.PolicyStatement]:
        bucket, key = self._storage.bucket, self._storage.key
        return [
            statements.list_objects(bucket),
            statements.read_objects(bucket, pattern),
            statements.decrypt(key),
        ]

    @property
    def _endpoint_arn(self) -> str:
        return self._sagemaker("endpoint", self._project.staging_endpoint_name)

    def _sagemaker(self, resource: str, name: str) -> str:
        return Stack.of(self._scope).format_arn(
            service="sagemaker", resource=resource, resource_name=name
        )
