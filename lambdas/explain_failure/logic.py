"""From what a catcher kept to a named error and one line that says what to do.

The cause of a failed job is the JSON of its description, that of a Lambda is the JSON of its
exception, everything else is plain text.
"""

import json
import re
from collections.abc import Mapping

from explain_failure.models import CaughtError, Document, Failure, Job
from shared.commands import DEFAULT_ENVIRONMENT, mlops
from shared.errors import NOT_WORTH_A_RETRY

ERROR_LENGTH = 256
# Step Functions keeps 32,768 bytes of cause; nobody reads that many.
FOUND_LENGTH = 2048
JOB_KINDS = ("Training", "Processing")
LAMBDA_OF = {
    "PrepareRun": "PrepareRunLambda",
    "ReadEvaluation": "EvaluationReaderLambda",
    "RegisterModelVersion": "ModelRegistryLambda",
    "AcquireStaging": "StagingLockLambda",
    "FindEndpoint": "EndpointWaitLambda",
    "WaitForEndpoint": "EndpointWaitLambda",
    "TestModel": "ModelTestLambda",
}
JOB_ERROR_OF = {
    "ValidateDataset": "ValidationJobFailed",
    "TrainModel": "TrainingJobFailed",
    "EvaluateModel": "EvaluationJobFailed",
}
# How the model code's error line begins if the data, not the code or the platform, is to blame.
BLAMES_DATA = ("DataError: ", "JobInputError: ")
BLAMES_HYPERPARAMETERS = "HyperparameterError: "
ADVICE_FOR = {
    "DatasetInvalid": "Mend the data and publish it as a new version.",
    "HyperparametersInvalid": "Give others with `mlops runs start --set NAME=VALUE`, or correct "
    "[training.hyperparameters] in the settings and deploy.",
    "SageMaker.ResourceLimitExceededException": "Ask AWS for a higher quota, or choose another "
    "instance type in the settings.",
    "SageMaker.ResourceInUseException": "A resource of this name exists: an earlier request may "
    "have succeeded. A new attempt takes new names.",
    "SageMaker.AmazonSageMakerException": "The request was refused or throttled to the end. "
    "Correct what the message names; where it speaks of throttling, wait.",
    "States.Timeout": "It did not end within the state's TimeoutSeconds. Look at its log, or raise "
    "max_runtime_seconds in the settings.",
}


def explain(
    state_id: str,
    caught: CaughtError,
    *,
    execution_arn: str,
    log_groups: Mapping[str, str],
    endpoint_name: str,
    environment_name: str = DEFAULT_ENVIRONMENT,
    model_package_arn: str | None = None,
) -> Failure:
    """Name the error and say in one line what happened, where, and what to do."""
    document = _json_object(caught.cause)
    job = _job(document)
    if job:
        error, found = _job_error(state_id, job), _job_problem(job)
        log = f"Log group /aws/sagemaker/{job.kind}Jobs, streams {job.name}/."
        look = f"{ADVICE_FOR.get(error, '')} {log}"
    elif "errorMessage" in document:
        error, found = caught.error, str(document["errorMessage"])
        look = _where_to_look(state_id, log_groups, endpoint_name)
    else:
        error, found = _plain_error(state_id, caught), caught.cause or caught.error
        look = f"{ADVICE_FOR.get(caught.error, '')} " + _where_to_look(
            state_id, log_groups, endpoint_name
        )
    found = found[:FOUND_LENGTH].rstrip(". ")
    registered = (
        f"{model_package_arn} is rejected with this run, unless it was approved already."
        if model_package_arn
        else ""
    )
    again = "" if error in NOT_WORTH_A_RETRY else _retry(execution_arn, environment_name)
    cause = f"{state_id}: {found}. {look} {registered} {again} Execution {execution_arn}."
    return Failure(error=error[:ERROR_LENGTH], cause=_one_line(cause))


def _retry(execution_arn: str, environment_name: str) -> str:
    """A new attempt, which takes new names; what this one made is removed."""
    words = f"runs retry {execution_arn.rpartition(':')[2]}"
    return f"To try again: {mlops(words, environment_name)}."


def _json_object(cause: str) -> Document:
    try:
        document = json.loads(cause)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _job(document: Document) -> Job | None:
    for kind in JOB_KINDS:
        if name := document.get(f"{kind}JobName"):
            return Job(
                kind=kind,
                name=str(name),
                status=str(document.get(f"{kind}JobStatus") or "Failed"),
                reason=str(document.get("FailureReason") or ""),
                exit_message=str(document.get("ExitMessage") or ""),
            )
    return None


def _job_error(state_id: str, job: Job) -> str:
    if job.status == "Stopped":
        return f"{job.kind}JobStopped"
    if state_id == "ValidateDataset" and job.exit_message.startswith(BLAMES_DATA):
        return "DatasetInvalid"
    if BLAMES_HYPERPARAMETERS in f"{job.exit_message} {job.reason}":
        return "HyperparametersInvalid"
    return JOB_ERROR_OF.get(state_id, f"{job.kind}JobFailed")


def _job_problem(job: Job) -> str:
    """The container's own words first: SageMaker's reason often says only "see the log"."""
    said = job.exit_message or job.reason or "No reason given"
    return f"{said.rstrip('. ')}. {job.kind} job {job.name} is {job.status}."


def _plain_error(state_id: str, caught: CaughtError) -> str:
    return f"{state_id}TimedOut" if caught.error == "States.Timeout" else caught.error


def _where_to_look(state_id: str, log_groups: Mapping[str, str], endpoint_name: str) -> str:
    if group := log_groups.get(LAMBDA_OF.get(state_id, "")):
        return f"Log group {group}."
    if state_id in ("CreateEndpoint", "UpdateEndpoint"):
        return f"Log group /aws/sagemaker/Endpoints/{endpoint_name}."
    return ""


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
