"""Invoke actions: an execution of a state machine, which is waited for.

Source: AWS documentation "AWS Step Functions invoke action reference".
"""

import uuid
from typing import Any

from botocore.exceptions import ClientError

from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.records import ActionFailed, Result
from local_account.services.codepipeline.work import Work

_POLL_SECONDS = 0.25
_LONGEST_SECONDS = 7 * 86_400
_LONGEST_MESSAGE = 5000


def invoke_state_machine(work: Work) -> Result:
    """Start an execution and wait for its end; one that does not succeed fails the action."""
    configuration = work.run.configuration
    machine, text = configuration["StateMachineArn"], _input(work)
    prefix = configuration.get("ExecutionNamePrefix")
    name = f"{prefix}-{work.run.run_id}" if prefix else work.run.run_id
    states = work.role.client("stepfunctions")
    known = Result()
    try:
        states.describe_state_machine(stateMachineArn=machine)
        started = states.start_execution(stateMachineArn=machine, name=name, input=text)
        known = _known(work.account.region, machine, started["executionArn"])
        work.run.result = known

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = states.describe_execution(executionArn=known.external_id)
            return None if found["status"] == "RUNNING" else found

        end = work.until(ended, _POLL_SECONDS, _LONGEST_SECONDS)
    except ClientError as error:
        raise _refused(error, known) from error
    if end is None or end["status"] != "SUCCEEDED":
        raise ActionFailed("JobFailed", _words(known.external_id, end), known)
    return known


def _input(work: Work) -> str:
    configuration = work.run.configuration
    if configuration.get("InputType", "Literal") == "Literal":
        return configuration.get("Input", "{}")
    s3 = work.role.client("s3")
    return artifacts.read_file(s3, work.run.inputs[0], configuration["Input"])


def _known(region: str, machine: str, arn: str) -> Result:
    url = f"https://console.aws.amazon.com/states/home?region={region}#/executions/details/{arn}"
    return Result(arn, "", url, {"StateMachineArn": machine, "ExecutionArn": arn})


def _words(arn: str, end: dict[str, Any] | None) -> str:
    if end is None:
        return f"The execution {arn} did not end within {_LONGEST_SECONDS} seconds"
    reasons = [end[name] for name in ("error", "cause") if end.get(name)]
    words = ": ".join([f"The execution {arn} ended with status {end['status']}", *reasons])
    return words[:_LONGEST_MESSAGE]


def _refused(error: ClientError, known: Result) -> ActionFailed:
    denied = artifacts.is_denied(error)
    code, message = (error.response["Error"][name] for name in ("Code", "Message"))
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return ActionFailed(
        "PermissionError" if denied else "ConfigurationError",
        f"{message} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code}; "
        f"Request ID: {uuid.uuid4()}; Proxy: null)",
        known,
    )
