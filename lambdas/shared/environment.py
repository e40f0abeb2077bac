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
    """Where data sets and images are."""

    project_name: Name
    bucket_name: Name
    repository_name: Name
    repository_uri: Name


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

    endpoint_name: Name
    log_groups: Json[dict[str, str]]
