"""Step Functions: what integrations call, wait for and fail with.

Sources: AWS documentation "Create and manage Amazon SageMaker AI jobs with Step
Functions" and "Error handling in Step Functions"; the exact texts of causes are those
seen in public logs.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from local_account.service import Account, service_model


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
_SERVICE = "states.amazonaws.com"
_MARK = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
# what a killed or timed-out process leaves as errorType; a state machine is not shown it
_UNKNOWN = frozenset({"Sandbox.Timedout", "Runtime.ExitError"})
_MODELLED_ERRORS = {
    "ResourceLimitExceeded": "SageMaker.ResourceLimitExceededException",
    "ResourceInUse": "SageMaker.ResourceInUseException",
    "ConflictException": "SageMaker.ConflictException",
}


def parameters_of(action: str) -> set[str]:
    """Return the parameters that an action of the integration takes."""
    operation = action[0].upper() + action[1:]
    shape = service_model("sagemaker").operation_model(operation).input_shape
    return set(shape.members) if shape else set()


@dataclass(frozen=True)
class SdkClient:
    """A client of a service whose answers are JSON: moments are ISO 8601, contents are text."""

    client: Any

    def __getattr__(self, operation: str) -> Any:
        """Return an operation of the service."""
        call = getattr(self.client, operation)

        def answer(**params: Any) -> Any:
            return json.loads(json.dumps(call(**params), default=_told))

        return answer


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None)
        fraction = "milliseconds" if moment.microsecond else "seconds"
        return moment.isoformat(timespec=fraction) + "Z"
    if isinstance(value, StreamingBody):
        value = value.read()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    def encode(value: Any) -> Any:
        return int(value.timestamp() * 1000) if isinstance(value, datetime) else str(value)

    answer = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    decoded: dict[str, Any] = json.loads(json.dumps(answer, default=encode))
    return decoded


@dataclass(frozen=True)
class Caller:
    """Who a task calls as: the role of its state machine."""

    role_arn: str
    machine_arn: str

    def client(self, account: Account, service: str) -> Any:
        """Return a client with the role's rights, whose errors the state's retriers see.

        Raises
        ------
        ServiceError
            If Step Functions may not take the role.
        """
        name = self.machine_arn.rpartition(":")[2]
        credentials = account.identities.of_role(self.role_arn, _SERVICE, name, self.machine_arn)
        return account.client(service, retries=False, credentials=credentials)


def marked(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a job that `.sync` starts, with the tag that it adds."""
    return {**parameters, "Tags": [*parameters.get("Tags", []), _MARK]}


def call(client: Any, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Call a SageMaker action as the integration does and return its result."""
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


@dataclass(frozen=True)
class AwaitedJob:
    """A job that `.sync` started and waits for."""

    client: Any
    action: str
    parameters: dict[str, Any]

    def __call__(self) -> dict[str, Any] | None:
        """Describe the job: its description once Completed, None until then.

        AWS hears of the end by an event: that a description fails is no failure of the task,
        unless the role may not describe the job.

        Raises
        ------
        JobFailed
            If the job ended in any other way.
        """
        job = SYNC[self.action]
        try:
            description = getattr(self.client, job.describe)(**self._named)
        except ClientError as error:
            if error.response["Error"]["Code"] in _DENIED:
                raise
            return None
        if description[job.status] == "Completed":
            return _without_metadata(description)
        if description[job.status] in ("Failed", "Stopped"):
            raise JobFailed(_without_metadata(description))
        return None

    def abandon(self) -> None:
        """Stop the job that nobody waits for any more, as far as the role may."""
        stop = SYNC[self.action].describe.replace("describe", "stop")
        with contextlib.suppress(ClientError):
            getattr(self.client, stop)(**self._named)

    @property
    def _named(self) -> dict[str, Any]:
        name = SYNC[self.action].name
        return {name: self.parameters[name]}


def error_of(error: ClientError) -> tuple[str, str]:
    """Return the error name and cause under which a state machine sees a refused call."""
    code = error.response["Error"]["Code"]
    name = _MODELLED_ERRORS.get(code, "SageMaker.AmazonSageMakerException")
    return name, _cause(error, "AmazonSageMaker")


def lambda_error_of(error: ClientError) -> tuple[str, str]:
    """Return the error name and cause of an invocation that Lambda refused."""
    name = error.response["Error"]["Code"]
    if name not in _lambda_errors():
        broken = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        name = "ServiceException" if broken else "AWSLambdaException"
    return f"Lambda.{name}", _cause(error, "AWSLambda")


def function_error_of(payload: str) -> tuple[str, str]:
    """Return the error name and cause of a function that failed, from its error document."""
    document = json.loads(payload)
    error_type = document.get("errorType")
    if error_type and error_type not in _UNKNOWN:
        return error_type, payload
    returned = json.dumps({"errorMessage": document.get("errorMessage")})
    return "Lambda.Unknown", (
        "The cause could not be determined because Lambda did not return an error type. "
        f"Returned payload: {returned}"
    )


def _cause(error: ClientError, service: str) -> str:
    metadata = error.response["ResponseMetadata"]
    details = "; ".join(
        [
            f"Service: {service}",
            f"Status Code: {metadata['HTTPStatusCode']}",
            f"Error Code: {error.response['Error']['Code']}",
            f"Request ID: {metadata.get('RequestId')}",
            "Proxy: null",
        ]
    )
    return f"{error.response['Error']['Message']} ({details})"


@lru_cache
def _lambda_errors() -> frozenset[str]:
    model = service_model("lambda").operation_model("Invoke")
    return frozenset(shape.name for shape in model.error_shapes)
