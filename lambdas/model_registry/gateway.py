"""The model registry, and the record that a run key has its version."""

from typing import Any

from shared import aws, version_records

# So many executions are remembered beside the latest: each is asked for its status.
KEPT = 20


def create_model_package(parameters: dict[str, Any]) -> str:
    """Register a version and return its ARN."""
    return aws.sagemaker().create_model_package(**parameters)["ModelPackageArn"]


def record_version(
    bucket: str, run_key: str, *, model_package_arn: str, execution_arn: str
) -> None:
    """From now on the run key's other executions are duplicates, if this one succeeds.

    If it does not, those that registered versions before it still count.
    """
    known = version_records.read(bucket, run_key)
    registered_by = known.execution_arns if known else ()
    record = {
        "model_package_arn": model_package_arn,
        "execution_arn": execution_arn,
        "earlier": [arn for arn in registered_by if arn != execution_arn][:KEPT],
    }
    aws.write_json(bucket, version_records.key_of(run_key), record)
