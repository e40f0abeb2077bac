"""Starting, stopping and retrying executions of the training state machine."""

from __future__ import annotations

import json
import math
import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops.errors import MissingError, RequestError
from mlops.history import read_document
from mlops.polling import looks
from mlops.project import command
from mlops.runs import MANIFEST_NAME, Run, describe_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.target import Deployment

STOPPED = "OperatorStopped"
"""Error name of an execution that a person stopped."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")
_MAX_VALUE_CHARACTERS = 2500
_MAX_HYPERPARAMETERS = 100
_SLUG_CHARACTERS = 40
_STOP_SECONDS = 120.0


def parse_hyperparameters(settings: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE pairs as the training job will get them.

    Raises
    ------
    RequestError
        If one is malformed, or a name is given twice.
    """
    parsed: dict[str, str] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        problem = _problem(name, separator, value)
        if not problem and name in parsed:
            problem = f"{name} is given twice; expected each name once"
        if problem:
            raise RequestError(f"--set {setting[:80]!r}: {problem}. Example: --set eta=0.1.")
        parsed[name] = value
    if len(parsed) > _MAX_HYPERPARAMETERS:
        raise RequestError(f"--set: {len(parsed)} names; expected at most {_MAX_HYPERPARAMETERS}.")
    return parsed


def _problem(name: str, separator: str, value: str) -> str:
    if not separator:
        return "expected NAME=VALUE"
    if not _NAME.fullmatch(name):
        return (
            f"the name is {name!r}; expected a letter or '_', then letters, digits, '_', '.', '-'"
        )
    if not value.isprintable() or not value.strip():
        return "expected a value of printable characters"
    if len(value) > _MAX_VALUE_CHARACTERS:
        return f"the value has {len(value)} characters; expected at most {_MAX_VALUE_CHARACTERS}"
    if _is_not_finite(value):
        # a training would fail of it, and so would every retry, which repeats the input
        return f"the value is {value.strip()[:80]}; expected a finite number or a word"
    return ""


def _is_not_finite(value: str) -> bool:
    try:
        return not math.isfinite(float(value))
    except ValueError:
        return False


def start_run(
    deployment: Deployment, dataset: str, hyperparameters: Mapping[str, str], again: bool
) -> Run:
    """Start a run on a data set version as it is in the bucket now.

    Raises
    ------
    RequestError
        If the version's name cannot be one.
    MissingError
        If the version has no manifest.
    """
    if not _VERSION.fullmatch(dataset) or dataset == "runs":
        raise RequestError(
            f"--dataset is {dataset[:80]!r}; expected a version name: a letter or digit, then at "
            "most 62 letters, digits, '.', '_' or '-', and not 'runs'."
        )
    asked = {
        "trigger": "manual",
        "dataset": dataset,
        "manifest_version_id": _manifest_version_id(deployment, dataset),
        "hyperparameters": dict(hyperparameters),
        "again": again,
    }
    return _start(deployment, asked, execution_name(dataset))


def retry_run(deployment: Deployment, run: Run) -> Run:
    """Start a run anew that did not succeed: the next attempt of its run key.

    Raises
    ------
    RequestError
        If it runs still, or has succeeded.
    """
    if run.status in ("RUNNING", "PENDING_REDRIVE", "SUCCEEDED"):
        dataset = "VERSION" if run.dataset == "-" else run.dataset
        again = command(deployment.env, f"runs start --dataset {dataset} --again")
        stop = command(deployment.env, f"runs stop {run.short_name}")
        other = (
            f"to train the same again: `{again}`"
            if run.status == "SUCCEEDED"
            else f"stop it first: `{stop}`"
        )
        raise RequestError(
            f"run {run.name} is {run.status}; only one that failed, timed out or was stopped is "
            f"retried; {other}."
        )
    described = deployment.target.stepfunctions.describe_execution(executionArn=run.execution_arn)
    asked = read_document(described.get("input"))
    if "dataset" not in asked:
        raise RequestError(
            f"run {run.name} has an input without a data set, so it cannot be retried. Start one: "
            f"`{command(deployment.env, 'runs start --dataset VERSION')}`."
        )
    # null is the newest; a commit's run also names its images, and whose they are
    name = execution_name(str(asked["dataset"] or "newest"), "retry")
    return _start(deployment, {**asked, "trigger": "retry"}, name)


def execution_name(dataset: str, kind: str = "") -> str:
    """Name an execution after its data set and this moment; no two are equal."""
    slug = re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-")[:_SLUG_CHARACTERS].strip("-")
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return "-".join(part for part in (slug, kind, moment, secrets.token_hex(2)) if part)


def stop_run(deployment: Deployment, run: Run, reason: str) -> Run:
    """Stop an execution and return it once it has ended.

    Raises
    ------
    RequestError
        If it has ended already, or does not end.
    """
    if run.status not in ("RUNNING", "PENDING_REDRIVE"):
        raise RequestError(
            f"run {run.name} ended {run.status} already; nothing is left to stop. See "
            f"`{command(deployment.env, f'runs show {run.short_name}')}`."
        )
    deployment.target.stepfunctions.stop_execution(
        executionArn=run.execution_arn, error=STOPPED, cause=reason
    )
    return wait_until_ended(deployment, run)


def wait_until_ended(deployment: Deployment, run: Run, seconds: float = _STOP_SECONDS) -> Run:
    """Return an execution once it has ended.

    Raises
    ------
    RequestError
        If it runs still after `seconds`.
    """
    for _ in looks(seconds, every=deployment.target.poll_seconds):
        now = describe_run(deployment.target, run.execution_arn)
        if now.status not in ("RUNNING", "PENDING_REDRIVE"):
            return now
    raise RequestError(
        f"run {run.name} runs still after {seconds:.0f} s. "
        f"See `{command(deployment.env, f'runs show {run.short_name}')}`."
    )


def _start(deployment: Deployment, asked: Mapping[str, Any], name: str) -> Run:
    started = deployment.target.stepfunctions.start_execution(
        stateMachineArn=deployment.state_machine_arn, name=name, input=json.dumps(asked)
    )
    return describe_run(deployment.target, started["executionArn"])


def _manifest_version_id(deployment: Deployment, dataset: str) -> str | None:
    from botocore.exceptions import ClientError

    bucket, key = deployment.bucket, f"{dataset}/{MANIFEST_NAME}"
    try:
        found = deployment.target.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchKey", "NotFound"):
            raise
        raise MissingError(
            f"s3://{bucket}/{key} is not there, so {dataset} is no data set version. Publish it: "
            f"`{command(deployment.env, 'data publish FOLDER')}`, which starts a run as well."
        ) from error
    return found.get("VersionId")
