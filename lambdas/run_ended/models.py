"""Shapes that RunEnded reads, and what its parts tell each other."""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from shared.commands import DEFAULT_ENVIRONMENT
from shared.events import Request

Document = dict[str, Any]
ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})


class Detail(Request):
    """Detail of the two events: an execution's status, or the endpoint's, has changed."""

    execution_arn: Annotated[str | None, Field(alias="executionArn")] = None
    status: str | None = None
    redrive_count: Annotated[int, Field(alias="redriveCount")] = 0
    endpoint_name: Annotated[str | None, Field(alias="EndpointName")] = None


class RunEndedRequest(Request):
    """An event of Step Functions or of the staging endpoint, or an execution to look at."""

    execution_arn: str | None = None
    detail: Detail | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        named = self.execution_arn or (
            self.detail and (self.detail.execution_arn or self.detail.endpoint_name)
        )
        if not named:
            raise ValueError(
                "expected execution_arn, or a detail with executionArn or EndpointName"
            )
        return self

    @property
    def ended_arn(self) -> str | None:
        """The execution that is said to have ended; None where the endpoint has changed."""
        return self.execution_arn or (self.detail.execution_arn if self.detail else None)

    def outdates(self, execution: "Execution") -> bool:
        """Whether the event knows of an end that the description of the execution lacks."""
        detail = self.detail
        return (
            detail is not None
            and detail.status in ENDED
            and execution.status not in ENDED
            and execution.redrives <= detail.redrive_count
        )


class RequestFields(Request):
    """What the execution was asked for; no data set means the newest."""

    dataset: str | None


class DatasetFields(Request):
    """Which data the run is about."""

    version: str


class RunFields(Request):
    """What PrepareRun found out about the run.

    What it says of a duplicate belongs to another execution, so that is no run of this one.
    """

    status: Literal["New"]
    run_key: str
    name: Annotated[str, Field(min_length=1, max_length=63)]
    dataset: DatasetFields
    commit: str | None = None
    author: str = ""
    message: str = ""
    validation_job_name: str
    evaluation_job_name: str


class RegisteredFields(Request):
    """What RegisterModelVersion left."""

    model_package_arn: str


class EndpointFields(Request):
    """What FindEndpoint saw before the run changed anything."""

    action: Literal["Create", "Update"]
    former_config: str | None = None


class Context(NamedTuple):
    """What the history says: how far the run had come, and in which state it ended."""

    state: str | None
    dataset: str | None
    run: RunFields | None
    registered: RegisteredFields | None
    endpoint: EndpointFields | None
    deployed: bool = False


class Execution(NamedTuple):
    """An execution as Step Functions describes it now."""

    arn: str
    name: str
    status: str
    error: str
    cause: str
    started: datetime
    stopped: datetime | None
    redrives: int

    @property
    def succeeded(self) -> bool:
        """Whether it came to a Succeed state."""
        return self.status == "SUCCEEDED"

    def seconds_since(self, now: int) -> float:
        """How long ago it ended."""
        return now - (self.stopped or self.started).timestamp()


class Job(NamedTuple):
    """A SageMaker job of the run."""

    kind: Literal["Training", "Processing"]
    name: str

    @property
    def log_group(self) -> str:
        """Where its container's output goes."""
        return f"/aws/sagemaker/{self.kind}Jobs"


class Endpoint(NamedTuple):
    """The staging endpoint as it is now."""

    status: str
    config: str


class Config(NamedTuple):
    """An endpoint config, and the models of its variants."""

    name: str
    created: datetime
    models: frozenset[str]


class Model(NamedTuple):
    """A model, and where its artifact is."""

    created: datetime
    data_url: str


class Version(NamedTuple):
    """The run's model version; `status` is its approval status."""

    arn: str
    status: str


class Staging(NamedTuple):
    """How staging is left: `pending` if somebody has to look again; one sentence for people."""

    pending: bool
    said: str
    given_up: bool = False


class Ended(NamedTuple):
    """All that a notification may tell."""

    execution: Execution
    context: Context
    version: Version | None
    staging: Staging
    left: tuple[str, ...]
    log: tuple[str, ...]
    may_come_late: bool = False
    environment_name: str = DEFAULT_ENVIRONMENT


class Outcome(NamedTuple):
    """What one look at an execution came to."""

    status: Literal["Completed", "Pending", "Duplicate", "Running", "Unknown"]
    execution_arn: str
    notified: bool = False
    given_up: str = ""
