"""Predictions from an endpoint for raw rows, in requests below the endpoint's size limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.errors import DataSetError, MissingError, ResponseError, one_line
from mlops.project import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops.target import Deployment

MAX_REQUEST_BYTES = 5 * 1024 * 1024


def predict(
    deployment: Deployment, endpoint_name: str, rows: Sequence[str], content_type: str = "text/csv"
) -> list[float]:
    """Return one prediction a row.

    Raises
    ------
    MissingError
        If there is no such endpoint in service.
    ResponseError
        If the container refuses the rows or answers anything but one number a row.
    """
    predictions: list[float] = []
    for batch in batches(rows):
        answer = _invoke(deployment, endpoint_name, "\n".join(batch) + "\n", content_type)
        predictions += _numbers(endpoint_name, answer, len(batch))
    return predictions


def batches(rows: Sequence[str], limit: int = MAX_REQUEST_BYTES) -> Iterator[list[str]]:
    """Cut rows into lists whose request bodies stay below `limit` bytes."""
    batch: list[str] = []
    size = 0
    for number, row in enumerate(rows, start=1):
        length = len(row.encode()) + 1
        if length > limit:
            raise DataSetError(f"row {number} has {length} bytes; a request holds {limit}.")
        if size + length > limit:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


def _invoke(deployment: Deployment, endpoint_name: str, body: str, content_type: str) -> str:
    from botocore.exceptions import ClientError

    try:
        response = deployment.target.sagemaker_runtime.invoke_endpoint(
            EndpointName=endpoint_name,
            ContentType=content_type,
            Accept=content_type,
            Body=body.encode(),
        )
    except ClientError as error:
        raise _refused(deployment.env, endpoint_name, error.response) from error
    return response["Body"].read().decode()


def _refused(env: str, endpoint_name: str, response: object) -> MissingError | ResponseError:
    document = response if isinstance(response, dict) else {}
    message = one_line(str(document.get("Error", {}).get("Message", "")))
    if document.get("Error", {}).get("Code") == "ModelError":
        answer = one_line(str(document.get("OriginalMessage") or message))
        return ResponseError(f"the model behind endpoint {endpoint_name} refuses: {answer}")
    return MissingError(
        f"endpoint {endpoint_name} cannot be invoked: {message.rstrip('.')}. "
        f"A run creates the staging endpoint; see `{command(env, 'runs list')}`."
    )


def _numbers(endpoint_name: str, answer: str, expected: int) -> list[float]:
    lines = answer.split()
    if len(lines) != expected:
        raise ResponseError(
            f"endpoint {endpoint_name} answered {len(lines)} predictions to {expected} rows; "
            "expected one a row. See the endpoint's log."
        )
    try:
        return [float(line) for line in lines]
    except ValueError as error:
        raise ResponseError(f"endpoint {endpoint_name}: {error}; expected numbers.") from error
