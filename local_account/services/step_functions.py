"""Step Functions: what integrations call, wait for and fail with; events and history.

Sources: AWS documentation "Create and manage Amazon SageMaker AI jobs with Step
Functions", "Error handling in Step Functions" and "Automating Step Functions event
delivery with EventBridge"; the exact texts of causes are those seen in public logs.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
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
# what a killed or timed-out process leaves as errorType; a state machine is not shown it
_UNKNOWN = frozenset({"Sandbox.Timedout", "Runtime.ExitError"})
_MAX_EVENT_DATA_BYTES = 248 * 1024
_HISTORY_PAGE = 100
_DATA = frozenset({"input", "inputDetails", "output", "outputDetails"})
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
    client = account.client("sagemaker", retries=False)  # the state's retriers see each error
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

    AWS hears of the end by an event: that a description is refused is no failure of the task.

    Raises
    ------
    JobFailed
        If the job ended in any other way.
    """
    job = SYNC[action]
    client = account.client("sagemaker")
    try:
        description = getattr(client, job.describe)(**{job.name: parameters[job.name]})
    except ClientError:
        return None
    if description[job.status] == "Completed":
        return _without_metadata(description)
    if description[job.status] in ("Failed", "Stopped"):
        raise JobFailed(_without_metadata(description))
    return None


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
    model = get_session().get_service_model("lambda").operation_model("Invoke")
    return frozenset(shape.name for shape in model.error_shapes)


def status_change(execution: Any) -> dict[str, Any]:
    """Return the detail of the event that tells of an execution's status (one of moto's)."""
    status = execution.status
    succeeded, ended = status == "SUCCEEDED", status != "RUNNING"
    reason = None if ended and not succeeded else f"Execution is {status} and cannot be redriven"
    output = json.dumps(execution.output, separators=(",", ":")) if succeeded else None
    return {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": status,
        "startDate": _milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date) if ended else None,
        **_data("input", execution.execution_input),
        **_data("output", output),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE" if reason else "REDRIVABLE",
        "redriveStatusReason": reason,
        "error": execution.error,
        "cause": execution.cause,
    }


def _data(name: str, text: str | None) -> dict[str, Any]:
    """Return an input or output as an event has it: left out where it is too long."""
    if text is None:
        return {name: None, f"{name}Details": None}
    included = len(text.encode()) <= _MAX_EVENT_DATA_BYTES
    return {name: text if included else None, f"{name}Details": {"included": included}}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def history_page(events: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """Return the page of a history that GetExecutionHistory's parameters ask for.

    Raises
    ------
    ValueError
        If the token is none of a page.
    """
    if params.get("reverseOrder"):
        events = events[::-1]
    start = int(params.get("nextToken") or 0)
    end = start + (params.get("maxResults") or _HISTORY_PAGE)
    page = events[start:end]
    if params.get("includeExecutionData") is False:
        page = [_without_data(event) for event in page]
    return {"events": page, **({"nextToken": str(end)} if end < len(events) else {})}


def _without_data(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: member for key, member in value.items() if key not in _DATA}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }
