"""Runs that are stopped while they are in a state, however busy the machine is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.e2e.conftest import Pipeline, state_entered

ATTEMPTS = range(10)
"""A run may be through a state before it is looked at: then another one is tried."""
_SLOW = {"service": "s3", "operation": "GetObject", "effect": "error", "times": 2}
_SILENT = {"service": "sagemaker", "operation": "InvokeEndpoint", "effect": "error", "status": 503}
# what keeps a run in a state for seconds: a download is told to slow down twice, ...
_HELD_UP: dict[str, Mapping[str, Any]] = {
    "ValidateDataset": {**_SLOW, "contains": "v1.0/train/"},
    "EvaluateModel": {**_SLOW, "contains": "model.tar.gz"},
    "PauseBeforeNextLook": {**_SLOW, "contains": "model.tar.gz", "skip": 1},  # by the endpoint
    "TestModel": {**_SILENT, "times": None},
}
# ... or training is long
_LONG = {"TrainModel": {"num_round": "10000"}}
_NEWEST = {"PauseBeforeNextLook": "WaitStateEntered", "TestModel": "TaskStarted"}


@contextmanager
def run_in(
    pipeline: Pipeline, state: str, eta: str, attempt: int, *faults: Mapping[str, Any]
) -> Iterator[str]:
    """Start a run and wait until it is in a state: its ARN, or nothing if it was too fast."""
    held_up = [_HELD_UP[state]] if state in _HELD_UP else []
    asked = {"eta": eta, "seed": str(attempt), **_LONG.get(state, {})}
    with pipeline.account.faults(*held_up, *faults):
        arn = pipeline.start("v1.0", hyperparameters=asked)
        seen = pipeline.comes_into(arn, partial(_is_in, pipeline, arn, state))
        yield arn if seen else ""


def _is_in(pipeline: Pipeline, arn: str, state: str) -> bool:
    events = pipeline.newest_events(arn)
    newest = _NEWEST.get(state, "TaskSubmitted")
    return state_entered(events) == state and bool(events[0]["type"] == newest)


def stop(pipeline: Pipeline, arn: str, state: str, **why: str) -> bool:
    """Stop an execution and wait for what follows; tell whether it was still in a state."""
    pipeline.account.client("stepfunctions").stop_execution(executionArn=arn, **why)
    status = pipeline.ended(arn)["status"]
    assert status in ("ABORTED", "SUCCEEDED")
    return status == "ABORTED" and pipeline.state_of(arn) == state
