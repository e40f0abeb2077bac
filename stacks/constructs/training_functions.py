"""The training state machine's Lambdas: environment and permissions of each."""

from collections.abc import Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.python_function import PythonFunction
from stacks.settings import EndpointSettings, ProjectSettings, TrainingSettings
from stacks.storage import StorageStack

EVALUATIONS = "runs/*/evaluation/*"
CLAIMS = "runs/*/attempts/*"
VERSION_RECORDS = "runs/*/version.json"


class TrainingFunctions:
    """The functions by purpose."""

    def __init__(
        self,
        scope: Construct,
        *,
        code: lambda_.Code,
        storage: StorageStack,
        project: ProjectSettings,
        training: TrainingSettings,
        endpoint: EndpointSettings,
    ) -> None:
        self._scope = scope
        self._code = code
        self._storage = storage
        self._project = project
        self._log_retention_days = training.log_retention_days
        self.prepare_run = self._prepare_run()
        self.evaluation_reader = self._evaluation_reader()
        self.model_registry = self._model_registry(endpoint)
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
            self.endpoint_wait,
            self.model_test,
        )

    def allow_reading_executions(self, state_machine: sfn.StateMachine) -> None:
        """Let PrepareRun ask whether the execution that holds a run key still runs.

        The policy is apart from the role's own: the state machine names the function, so the
        function must not wait for a policy that names the state machine.
        """
        executions = Stack.of(self._scope).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{state_machine.state_machine_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        role = self.prepare_run.role
        assert role is not None  # noqa: S101
        policy = iam.Policy(self._scope, "PrepareRunReadsExecutions", roles=[role])
        policy.add_statements(statements.allow(["states:DescribeExecution"], [executions]))

    def _function(
        self,
        construct_id: str,
        module: str,
        description: str,
        environment: Mapping[str, str],
        permissions: Sequence[iam.PolicyStatement] = (),
        timeout_seconds: int = 30,
    ) -> PythonFunction:
        return PythonFunction(
            self._scope,
            construct_id,
            code=self._code,
            module=module,
            description=description,
            metrics_namespace=self._project.name,
            log_retention_days=self._log_retention_days,
            environment=environment,
            permissions=permissions,
            timeout_seconds=timeout_seconds,
        )

    def _prepare_run(self) -> PythonFunction:
        bucket, key = self._storage.bucket, self._storage.key
        repository = self._storage.repository
        manifests = bucket.arn_for_objects("*/_MANIFEST.json")
        return self._function(
            "PrepareRunLambda",
            "prepare_run",
            "Checks the data set's manifest, picks the image, claims the run key",
            {
                "PROJECT_NAME": self._project.name,
                "BUCKET_NAME": bucket.bucket_name,
                "REPOSITORY_NAME": repository.repository_name,
                "REPOSITORY_URI": repository.repository_uri,
            },
            [
                statements.list_objects(bucket),
                statements.allow(["s3:GetObjectVersion"], [manifests]),
                statements.read_objects(
                    bucket,
                    "*/_MANIFEST.json",
                    "*/train/*",
                    "*/validation/*",
                    CLAIMS,
                    VERSION_RECORDS,
                ),
                statements.write_objects(bucket, CLAIMS),
                statements.decrypt(key),
                statements.encrypt(key),
                statements.allow(["ecr:DescribeImages"], [repository.repository_arn]),
            ],
            timeout_seconds=120,
        )

    def _evaluation_reader(self) -> PythonFunction:
        return self._function(
            "EvaluationReaderLambda",
            "evaluation_reader",
            "Reads the metrics that the quality gate tests",
            {},
            self._reading(EVALUATIONS),
        )

    def _model_registry(self, endpoint: EndpointSettings) -> PythonFunction:
        bucket, key = self._storage.bucket, self._storage.key
        group = self._project.model_package_group_name
        return self._function(
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
                statements.write_objects(bucket, VERSION_RECORDS),
                statements.encrypt(key),
            ],
        )

    def _endpoint_wait(self, endpoint: EndpointSettings) -> PythonFunction:
        return self._function(
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
        return self._function(
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
        return self._function(
            "FailureLambda",
            "explain_failure",
            "Turns an error of any state into a named error and a cause one can act on",
            {
                "ENDPOINT_NAME": self._project.staging_endpoint_name,
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
