"""Shapes that RegisterModelVersion reads and returns."""

from pydantic import BaseModel

from shared.events import Request


class DatasetIdentity(Request):
    """Which data the model was trained on."""

    version: str
    digest: str


class Images(Request):
    """Which images trained and evaluated it, by digest."""

    training: str
    processing: str


class RunIdentity(Request):
    """The run, as PrepareRun described it."""

    run_key: str
    name: str
    dataset: DatasetIdentity
    image: Images
    settings_digest: str
    commit: str | None = None
    author: str = ""
    message: str = ""


class EvaluationResult(Request):
    """How good the model is."""

    metrics: dict[str, float]
    model_sha256: str
    evaluation_uri: str


class Gate(Request):
    """The quality gate's verdict, written on the version."""

    verdict: str
    mode: str
    summary: str


class RegisterRequest(Request):
    """All that a model version says of itself."""

    execution_arn: str
    run: RunIdentity
    evaluation: EvaluationResult
    gate: Gate
    model_data_url: str


class ModelVersion(BaseModel):
    """What the registry made of it."""

    model_package_arn: str
    version: int
