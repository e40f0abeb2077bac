"""What each task of the training state machine does: its API, inputs, outputs and names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.training_functions import TrainingFunctions
from stacks.constructs.training_roles import TrainingRoles
from stacks.settings import (
    AccountSettings,
    EndpointSettings,
    ProjectSettings,
    QualitySettings,
    TrainingSettings,
)
from stacks.workflows import hosting, jobs, retries, tasks

EXECUTION_ARN: dict[str, Any] = {"execution_arn.$": "$$.Execution.Id"}
NO_TAGS: dict[str, Any] = {}
RUN: dict[str, Any] = {"run.$": "$.run"}
RUN_FIELDS = (
    "status",
    "trigger",
    "duplicate_of",
    "run_key",
    "attempt",
    "name",
    "dataset",
    "image",
    "commit",
    "author",
    "message",
    "hyperparameters",
    "settings_digest",
    "validation_job_name",
    "evaluation_job_name",
    "validation_uri",
    "training_uri",
    "evaluation_uri",
)
STAGING_FIELDS = ("acquired", "holder", "wait_seconds", "waited_seconds", "started_at")
ENDPOINT_FIELDS = (
    "name",
    "action",
    "former_config",
    "status",
    "wait_seconds",
    "started_at",
    "elapsed_seconds",
)


class TrainingTasks:
    """The tasks by name; `stacks.workflows.training` puts them in order."""

    def __init__(
        self,
        scope: Construct,
        *,
        functions: TrainingFunctions,
        roles: TrainingRoles,
        kms_key_arn: str,
        account: AccountSettings,
        project: ProjectSettings,
        training: TrainingSettings,
        quality: QualitySettings,
        endpoint: EndpointSettings,
    ) -> None:
        self._scope = scope
        self._functions = functions
        self._kms_key_arn = kms_key_arn
        self._surroundings = tasks.Surroundings(project, account)
        self._endpoint_name = project.staging_endpoint_name
        self.prepare_run = self._prepare_run(training)
        self.validate_dataset = self._validate_dataset(roles, training)
        self.train_model = self._train_model(roles, training, quality)
        self.evaluate_model = self._evaluate_model(roles, training)
        self.read_evaluation = self._read_evaluation(quality)
        self.create_model = self._create_model(roles)
        self.register_model_version = self._register_model_version()
        self.acquire_staging = self._acquire_staging()
        self.create_endpoint_config = self._create_endpoint_config(endpoint)
        self.find_endpoint = self._look_at_endpoint("FindEndpoint", {}, (retries.ENDPOINT_BUSY,))
        self.create_endpoint = self._deploy(
            "CreateEndpoint", "createEndpoint", self._surroundings.tags
        )
        self.update_endpoint = self._deploy("UpdateEndpoint", "updateEndpoint")
        self.wait_for_endpoint = self._look_at_endpoint(
            "WaitForEndpoint", {"endpoint.$": "$.endpoint"}
        )
        self.test_model = self._test_model(quality)
        self.explain_failure = self._explain_failure()

    @property
    def that_may_fail(self) -> Iterator[sfn.CustomState]:
        """Every task but the one that explains failures."""
        states = (state for state in vars(self).values() if isinstance(state, sfn.CustomState))
        return (state for state in states if state is not self.explain_failure)

    def _prepare_run(self, training: TrainingSettings) -> sfn.CustomState:
        return tasks.invoke_function(
            self._scope,
            "PrepareRun",
            self._functions.prepare_run,
            EXECUTION_ARN | {"request.$": "$", "hyperparameters": training.hyperparameter_strings},
            fields=RUN_FIELDS,
            result_path="$.run",
        )

    def _validate_dataset(
        self, roles: TrainingRoles, training: TrainingSettings
    ) -> sfn.CustomState:
        return jobs.run_processing_job(
            self._scope,
            "ValidateDataset",
            training.processing,
            command="validate",
            name_path="$.run.validation_job_name",
            image_path="$.run.image.training",
            role_arn=roles.validation.role_arn,
            inputs={"dataset": "$.run.dataset.uri"},
            output="validation",
            output_uri_path="$.run.validation_uri",
            kms_key_arn=self._kms_key_arn,
            surroundings=self._surroundings,
            result_path="$.validation",
        )

    def _train_model(
        self, roles: TrainingRoles, training: TrainingSettings, quality: QualitySettings
    ) -> sfn.CustomState:
        return jobs.run_training_job(
            self._scope,
            "TrainModel",
            training,
            metric=quality.metric,
            role_arn=roles.training.role_arn,
            kms_key_arn=self._kms_key_arn,
            surroundings=self._surroundings,
            result_path="$.training",
        )

    def _evaluate_model(self, roles: TrainingRoles, training: TrainingSettings) -> sfn.CustomState:
        return jobs.run_processing_job(
            self._scope,
            "EvaluateModel",
            training.processing,
            command="evaluate",
            name_path="$.run.evaluation_job_name",
            image_path="$.run.image.processing",
            role_arn=roles.evaluation.role_arn,
            inputs={
                "model": "$.training.model_data_url",
                "train": "$.run.dataset.train_uri",
                "validation": "$.run.dataset.validation_uri",
            },
            output="evaluation",
            output_uri_path="$.run.evaluation_uri",
            kms_key_arn=self._kms_key_arn,
            surroundings=self._surroundings,
            result_path="$.evaluation_job",
        )

    def _read_evaluation(self, quality: QualitySettings) -> sfn.CustomState:
        return tasks.invoke_function(
            self._scope,
            "ReadEvaluation",
            self._functions.evaluation_reader,
            {"evaluation_uri.$": "$.run.evaluation_uri", "limits": quality.limits},
            fields=("metrics", "model_sha256", "evaluation_uri", "model_test_uri", "summary"),
            result_path="$.evaluation",
        )

    def _create_model(self, roles: TrainingRoles) -> sfn.CustomState:
        return hosting.create_model(
            self._scope,
            "CreateModel",
            role_arn=roles.model.role_arn,
            surroundings=self._surroundings,
            result_path="$.model",
        )

    def _register_model_version(self) -> sfn.CustomState:
        known = {
            "evaluation.$": "$.evaluation",
            "gate.$": "$.gate",
            "model_data_url.$": "$.training.model_data_url",
        }
        return tasks.invoke_function(
            self._scope,
            "RegisterModelVersion",
            self._functions.model_registry,
            EXECUTION_ARN | RUN | known,
            fields=("model_package_arn", "version"),
            result_path="$.registered",
        )

    def _create_endpoint_config(self, endpoint: EndpointSettings) -> sfn.CustomState:
        return hosting.create_endpoint_config(
            self._scope,
            "CreateEndpointConfig",
            endpoint,
            kms_key_arn=self._kms_key_arn,
            surroundings=self._surroundings,
            result_path="$.endpoint_config",
        )

    def _acquire_staging(self) -> sfn.CustomState:
        return tasks.invoke_function(
            self._scope,
            "AcquireStaging",
            self._functions.staging_lock,
            EXECUTION_ARN | {"staging.$": "$.staging"},
            fields=STAGING_FIELDS,
            result_path="$.staging",
        )

    def _look_at_endpoint(
        self, state_id: str, seen: Mapping[str, Any], retry: Sequence[retries.Retrier] = ()
    ) -> sfn.CustomState:
        return tasks.invoke_function(
            self._scope,
            state_id,
            self._functions.endpoint_wait,
            {"endpoint_config_name.$": "$.run.name", **seen},
            fields=ENDPOINT_FIELDS,
            result_path="$.endpoint",
            retry=retry,
        )

    def _deploy(
        self, state_id: str, action: str, tags: Mapping[str, Any] = NO_TAGS
    ) -> sfn.CustomState:
        return hosting.deploy_endpoint(
            self._scope,
            state_id,
            action=action,
            endpoint_name=self._endpoint_name,
            tags=tags,
            result_path="$.deployment",
        )

    def _test_model(self, quality: QualitySettings) -> sfn.CustomState:
        return tasks.invoke_function(
            self._scope,
            "TestModel",
            self._functions.model_test,
            {
                "model_test_uri.$": "$.evaluation.model_test_uri",
                "tolerance": quality.model_test_tolerance,
            },
            fields=("rows", "metrics", "largest_difference"),
            result_path="$.model_test",
        )

    def _explain_failure(self) -> sfn.CustomState:
        return tasks.invoke_function(
            self._scope,
            "ExplainFailure",
            self._functions.explain_failure,
            EXECUTION_ARN | {"state.$": "$"},
            fields=("error", "cause"),
            result_path="$.failure",
        )
