"""The model registry, and the record that a run key has its version."""

from typing import Any

from shared import aws


def create_model_package(parameters: dict[str, Any]) -> str:
    """Register a version and return its ARN."""
    return aws.sagemaker().create_model_package(**parameters)["ModelPackageArn"]


def record_version(
    bucket: str, run_key: str, *, model_package_arn: str, execution_arn: str
) -> None:
    """From now on the run key's other executions are duplicates."""
    aws.write_json(
        bucket,
        f"runs/{run_key}/version.json",
        {"model_package_arn": model_package_arn, "execution_arn": execution_arn},
    )
