"""The environment variables of each Lambda, declared once."""

import os
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from shared.errors import EnvironmentInvalid
from shared.events import first_problem

Name = Annotated[str, Field(min_length=1)]


class Environment(BaseModel):
    """What every Lambda gets; a variable has its field's name in capitals."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=str.upper, populate_by_name=True
    )

    powertools_service_name: Name
    powertools_metrics_namespace: Name
    powertools_log_level: Name

    @classmethod
    def load(cls) -> Self:
        """Read the process's environment.

        Raises
        ------
        EnvironmentInvalid
            If a variable is missing or malformed.
        """
        try:
            return cls.model_validate(dict(os.environ))
        except ValidationError as error:
            problem = first_problem(error)
            raise EnvironmentInvalid(f"Environment variable {problem}. Deploy again.") from error

    @classmethod
    def variables(cls) -> set[str]:
        """The variables' names."""
        return {name.upper() for name in cls.model_fields}


class PrepareRunEnvironment(Environment):
    """Where data sets and images are, and which deployment this is."""

    project_name: Name
    deployment_id: Name
    bucket_name: Name
    repository_name: Name
    repository_uri: Name
    image_parameter_name: Name


class EvaluationReaderEnvironment(Environment):
    """Nothing but the common variables."""


class ModelRegistryEnvironment(Environment):
    """Which group, and what a version may be deployed on."""

    bucket_name: Name
    model_package_group_name: Name
    instance_type: Name


class EndpointWaitEnvironment(Environment):
    """Which endpoint, and for how long at most."""

    endpoint_name: Name
    endpoint_timeout_seconds: Annotated[int, Field(gt=0)]


class ModelTestEnvironment(Environment):
    """Which endpoint."""

    endpoint_name: Name


class ExplainFailureEnvironment(Environment):
    """Where to send the reader: log groups by the Lambda's logical id."""

    environment_name: Name
    endpoint_name: Name
    log_groups: Json[dict[str, str]]


class StagingLockEnvironment(Environment):
    """Where the lock is, how long an execution may wait for it, and the end of another take."""

    run_table_name: Name
    lock_timeout_seconds: Annotated[int, Field(gt=0)]
    cleanup_timeout_seconds: Annotated[int, Field(gt=0)]


class StartRunEnvironment(Environment):
    """Which bucket's manifests start which state machine, once there is an image."""

    bucket_name: Name
    image_parameter_name: Name
    state_machine_arn: Name


class UploadWatchEnvironment(Environment):
    """How long no file may arrive before a data set version counts as complete."""

    bucket_name: Name
    quiet_period_seconds: Annotated[int, Field(gt=0)]
    schedule_group_name: Name
    schedule_role_arn: Name
    sealer_function_arn: Name
    dead_letter_queue_arn: Name


class DatasetSealerEnvironment(Environment):
    """Which bucket's data set versions get a manifest."""

    bucket_name: Name
    run_table_name: Name


class RunEndedEnvironment(Environment):
    """What runs leave, where, and whom to tell."""

    environment_name: Name
    project_name: Name
    bucket_name: Name
    run_table_name: Name
    endpoint_name: Name
    model_package_group_name: Name
    topic_arn: Name
    kept_configs: Annotated[int, Field(ge=2)]
    notify_on_success: bool


class ReconcilerEnvironment(Environment):
    """What may have been missed, and who makes up for it."""

    bucket_name: Name
    run_table_name: Name
    endpoint_name: Name
    endpoint_time_to_live_seconds: Annotated[int, Field(ge=0)]
    quiet_period_seconds: Annotated[int, Field(ge=0)]
    image_parameter_name: Name
    state_machine_arn: Name
    start_run_function_arn: Name
    dataset_sealer_function_arn: Name
    run_ended_function_arn: Name


class PipelineFailedEnvironment(Environment):
    """What failures are told once by, and to whom."""

    environment_name: Name
    project_name: Name
    run_table_name: Name
    topic_arn: Name
