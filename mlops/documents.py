"""Documents that a run writes to S3: the evaluation, and the rows to test a model with."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops.errors import ResponseError
from mlops.project import command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.target import Deployment


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a model and of its baseline on the held-out split."""

    task: str
    metric: str
    label: str
    metrics: dict[str, float]
    baseline_name: str
    baseline: dict[str, float]


@dataclass(frozen=True)
class ModelTest:
    """Raw validation rows without the label, with their labels and the model's predictions."""

    content_type: str
    rows: list[str]
    labels: list[float]
    predictions: list[float]


def read_evaluation(deployment: Deployment, uri: str) -> Evaluation:
    """Read ``evaluation.json``.

    Raises
    ------
    ResponseError
        If the document lacks what its contract promises.
    """
    return parse_evaluation(_read_json(deployment, uri), uri, deployment.env)


def read_model_test(deployment: Deployment, uri: str) -> ModelTest:
    """Read ``model_test.json``; raises as `read_evaluation` does."""
    document = _read_json(deployment, uri)
    try:
        return ModelTest(
            content_type=str(document["content_type"]),
            rows=[str(row) for row in document["rows"]],
            labels=[float(each) for each in document["labels"]],
            predictions=[float(each) for each in document["predictions"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unexpected(deployment.env, uri, error) from error


def parse_evaluation(document: Mapping[str, Any], uri: str, env: str) -> Evaluation:
    """Take the metrics out of an evaluation document, whatever its task."""
    try:
        task = str(document["task"])
        measured = document[f"{task}_metrics"]
        baseline = dict(document["baseline"])
        return Evaluation(
            task=task,
            metric=str(document["metric"]),
            label=str(document["label"]),
            metrics={name: _finite(each["value"]) for name, each in measured.items()},
            baseline_name=str(baseline.pop("name")),
            baseline={name: _finite(value) for name, value in baseline.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unexpected(env, uri, error) from error


def sibling(uri: str, name: str) -> str:
    """Return the URI of another document in the same folder."""
    return f"{uri.rsplit('/', 1)[0]}/{name}"


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an S3 URI."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return number


def _read_json(deployment: Deployment, uri: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    bucket, key = split_uri(uri)
    try:
        body = deployment.target.s3.get_object(Bucket=bucket, Key=key)["Body"]
        document = json.loads(body.read())
    except ClientError as error:
        raise ResponseError(f"{uri} cannot be read: {error}. Was it deleted?") from error
    except ValueError as error:
        raise _unexpected(deployment.env, uri, error) from error
    if not isinstance(document, dict):
        raise _unexpected(deployment.env, uri, TypeError("the document is not an object"))
    return document


def _unexpected(env: str, uri: str, error: Exception) -> ResponseError:
    return ResponseError(
        f"{uri}: {type(error).__name__}: {error}; expected the document that the evaluation of "
        "this project writes. Mend it with a commit to the model code, whose build "
        f"`{command(env, 'pipelines follow')}` shows, and run again."
    )
