"""Step Functions: what the `sagemaker` integrations call, wait for and fail with.

Sources: AWS documentation "Create and manage Amazon SageMaker AI jobs with Step
Functions" and "Error handling in Step Functions"; the exact texts of causes are those
seen in public logs.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from botocore.session import get_session

from local_account.service import Account


class Job(NamedTuple):
    """A job that `.sync` waits for: its describe call, its name and its status members."""

    describe: str
    name: str
    status: str


SYNC: Mapping[str, Job] = {
    "createTrainingJob": Job("describe_training_job", "TrainingJobName", "TrainingJobStatus"),
    "createProcessingJob": Job(
        "describe_processing_job", "ProcessingJobName", "ProcessingJobStatus"
    ),
}
ACTIONS = frozenset(
    {*SYNC, "createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint"}
)
_MODELLED_ERRORS = {
    "ResourceLimitExceeded": "SageMaker.ResourceLimitExceededException",
    "ResourceInUse": "SageMaker.ResourceInUseException",
    "ConflictException": "SageMaker.ConflictException",
}


def parameters_of(action: str) -> set[str]:
    """Return the parameters that an action of the integration takes."""
    operation = action[0].upper() + action[1:]
    shape = get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    return set(shape.members) if shape else set()


def _without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    def encode(value: Any) -> Any:
        return int(value.timestamp() * 1000) if isinstance(value, datetime) else str(value)

    answer = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    decoded: dict[str, Any] = json.loads(json.dumps(answer, default=encode))
    return decoded


def call(account: Account, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Call a SageMaker action as the integration does and return its result."""
    client = account.client("sagemaker")
    method = "".join(f"_{c.lower()}" if c.isupper() else c for c in action)
    answer = getattr(client, method)(**parameters)
    metadata = answer["ResponseMetadata"]
    return {
        **_without_metadata(answer),
        "SdkHttpMetadata": {"HttpStatusCode": metadata["HTTPStatusCode"]},
        "SdkResponseMetadata": {"RequestId": metadata.get("RequestId")},
    }


class JobFailed(Exception):
    """A job that `.sync` waited for ended as Failed or Stopped; `description` is Describe*."""

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__(json.dumps(description))
        self.cause = json.dumps(description)


def poll(account: Account, action: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Describe the job that `.sync` waits for: its description once Completed, None until then.

    Raises
    ------
    JobFailed
        If the job ended in any other way.
    """
    job = SYNC[action]
    client = account.client("sagemaker")
    description = getattr(client, job.describe)(**{job.name: parameters[job.name]})
    if description[job.status] == "Completed":
        return _without_metadata(description)
    if description[job.status] in ("Failed", "Stopped"):
        raise JobFailed(_without_metadata(description))
    return None


def error_of(error: ClientError) -> tuple[str, str]:
    """Return the error name and cause under which a state machine sees a refused call."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    metadata = error.response["ResponseMetadata"]
    details = "; ".join(
        [
            "Service: AmazonSageMaker",
            f"Status Code: {metadata['HTTPStatusCode']}",
            f"Error Code: {code}",
            f"Request ID: {metadata.get('RequestId')}",
            "Proxy: null",
        ]
    )
    name = _MODELLED_ERRORS.get(code, "SageMaker.AmazonSageMakerException")
    return name, f"{message} ({details})"
