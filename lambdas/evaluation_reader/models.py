"""Shapes that ReadEvaluation reads and returns."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from shared.events import Request

LimitKind = Literal["min", "max", "above", "below"]
Limits = dict[str, dict[LimitKind, float]]


class ReadEvaluationRequest(Request):
    """Where the evaluation lies and what is asked of it."""

    evaluation_uri: str
    limits: Limits


def _number_of(metric: Any) -> Any:
    return metric.get("value") if isinstance(metric, dict) else metric


# Whether a figure is finite is for the gate to say, so that it can name the figure. What is no
# number, `true` or "2.0", is refused: read as a number it might pass.
Figure = Annotated[Annotated[float, Strict()] | None, BeforeValidator(_number_of)]


class ModelIdentity(BaseModel):
    """Which model was evaluated."""

    model_config = ConfigDict(extra="ignore")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class EvaluationFile(BaseModel):
    """`evaluation.json`; the table of metrics is named after the task."""

    model_config = ConfigDict(extra="ignore")

    task: str
    metric: str
    metrics: dict[str, Figure]
    baseline: dict[str, Any]
    comparison: dict[str, Any]
    model: ModelIdentity


class Evaluation(BaseModel):
    """What later states know of the evaluation; metrics are finite numbers only."""

    metrics: dict[str, float]
    model_sha256: str
    evaluation_uri: str
    model_test_uri: str
    summary: str
