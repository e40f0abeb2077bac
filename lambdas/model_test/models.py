"""Shapes that TestModel reads and returns."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from shared.events import Request


class ModelTestRequest(Request):
    """Which rows, and how far their metrics may be off."""

    model_test_uri: str
    tolerance: Annotated[float, Field(gt=0)]


class ModelTestFile(BaseModel):
    """`model_test.json`: rows without labels, labels, and what the evaluation predicted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    content_type: str
    rows: Annotated[tuple[str, ...], Field(min_length=1)]
    labels: tuple[FiniteFloat, ...]
    predictions: tuple[FiniteFloat, ...]
    metrics: Annotated[dict[str, FiniteFloat], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_label_and_prediction_a_row(self) -> Self:
        counts = len(self.rows), len(self.labels), len(self.predictions)
        if len(set(counts)) > 1:
            raise ValueError(f"found {counts} rows, labels and predictions, expected as many each")
        return self


class ModelTestResult(BaseModel):
    """Figures of the endpoint's predictions; the difference is in units of the label."""

    rows: int
    metrics: dict[str, float]
    largest_difference: float
