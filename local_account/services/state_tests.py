"""Step Functions TestState: which state is tested, what it may be given, and how it ended.

Sources: botocore's shapes and AWS documentation "Testing state machines with TestState API".
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local_account.service import ServiceError
from local_account.services.definition_shapes import State, misshapen, misshapen_state, read
from local_account.services.definitions import problems_of_state, refusal, states_of
from local_account.services.integrations import result_problems

NEVER_CAUGHT = frozenset({"States.Runtime", "States.DataLimitExceeded"})
_LONGEST_SECONDS = 31_622_400
_INNER = ("Parallel", "Map")


@dataclass(frozen=True)
class StateTest:
    """One state, its input, and what its task answers instead of the service."""

    state: State
    given: Any
    role_arn: str = ""
    mock: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    retries: int = 0


@dataclass(frozen=True)
class Ending:
    """How the state ended: the error of its task, if any, and where it would go with what."""

    succeeded: bool
    output: str
    next_state: str | None
    error: str | None = None
    cause: str | None = None


def state_test(params: dict[str, Any]) -> StateTest:
    """Read a request.

    Raises
    ------
    ServiceError
        If AWS would refuse it, or the account cannot test such a state.
    """
    state = _state(params)
    mock = params.get("mock", {})
    for message in _refused(state, mock, params.get("roleArn")):
        raise ServiceError("ValidationException", message)
    configuration = params.get("stateConfiguration", {})
    return StateTest(
        state=state,
        given=_json(params.get("input", "{}"), "InvalidExecutionInput", "input"),
        role_arn=params.get("roleArn", ""),
        mock=mock,
        context=_context(params.get("context", "{}")),
        retries=configuration.get("retrierRetryCount", 0),
    )


def _state(params: dict[str, Any]) -> State:
    definition = _definition(params["definition"])
    name = params.get("stateName")
    state = definition
    problems = list(misshapen_state(definition) if name is None else misshapen(definition))
    if not problems and name is not None:
        state = next((state for known, state in states_of(definition) if known == name), None)
        if state is None:
            message = f"State not found in definition: '{name}'"
            raise ServiceError("ValidationException", message)
    problems = problems or problems_of_state(state)
    if problems:
        raise ServiceError("InvalidDefinition", refusal(problems))
    if state["Type"] in _INNER:
        message = f"The embedded account does not test {state['Type']} states."
        raise ServiceError("UnsupportedOperation", message, 501)
    return dict(state)


def _definition(text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        message = f"The definition is not valid JSON: {error}"
        raise ServiceError("InvalidDefinition", message) from error


def _json(text: str, code: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ServiceError(code, f"The {what} is not valid JSON: {error}") from error


def _context(text: str) -> dict[str, Any]:
    context = _json(text, "ValidationException", "context")
    if not isinstance(context, dict):
        raise ServiceError("ValidationException", "The context is not a JSON object")
    return context


def _refused(state: State, mock: dict[str, Any], role_arn: str | None) -> Iterator[str]:
    kind, resource = state["Type"], str(state.get("Resource", ""))
    if mock and kind != "Task":
        yield f"State type '{kind}' is not supported when a mock is specified"
    if kind == "Task" and not mock and not role_arn:
        yield "roleArn must be specified where no mock is given"
    if resource.endswith((".sync", ".sync:2", ".waitForTaskToken")) and not mock:
        yield f"A mock must be specified to test {resource}"
    if {"result", "errorOutput"} <= set(mock):
        yield "A mock has either a result or an errorOutput"
    if "result" in mock:
        try:
            result = json.loads(mock["result"])
        except (ValueError, RecursionError):
            yield "Mocked result must be valid JSON"
            return
        mode = mock.get("fieldValidationMode", "STRICT")
        for problem in result_problems(resource, result, is_strict=mode == "STRICT"):
            if mode != "NONE":
                yield f"Mock result schema validation error: {problem}"


def answer(test: StateTest, ending: Ending) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answer of TestState without the inspection data, and its error details."""
    if ending.succeeded and ending.error is None:
        target = {"nextState": ending.next_state} if ending.next_state else {}
        return {"status": "SUCCEEDED", "output": ending.output, **target}, {}
    failed = {
        name: said
        for name, said in (("error", ending.error), ("cause", ending.cause))
        if said is not None
    }
    retriers = test.state.get("Retry", [])
    index = _matching(retriers, ending.error or "")
    if index is not None and test.retries < retriers[index].get("MaxAttempts", 3):
        seconds = _backoff(retriers[index], test.retries)
        details = {"retryIndex": index, "retryBackoffIntervalSeconds": seconds}
        return {"status": "RETRIABLE", **failed}, details
    if not ending.succeeded:
        return {"status": "FAILED", **failed}, {}
    caught = {"output": ending.output, "nextState": ending.next_state, **failed}
    index = _matching(test.state["Catch"], ending.error or "")
    return {"status": "CAUGHT_ERROR", **caught}, {"catchIndex": index}


def _matching(rules: list[dict[str, Any]], error: str) -> int | None:
    for index, rule in enumerate(rules):
        names = set(rule["ErrorEquals"])
        is_task = "States.TaskFailed" in names and error != "States.Timeout"
        if error not in NEVER_CAUGHT and (is_task or names & {error, "States.ALL"}):
            return index
    return None


def _backoff(retrier: dict[str, Any], retries: int) -> int:
    try:
        seconds = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries
    except OverflowError:
        seconds = math.inf
    return int(min(seconds, retrier.get("MaxDelaySeconds", seconds), _LONGEST_SECONDS))
