"""What CodePipeline keeps: pipelines, their stages, executions, and executions of actions."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Record = dict[str, Any]

IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"
STOPPING, STOPPED, CANCELLED, SUPERSEDED = "Stopping", "Stopped", "Cancelled", "Superseded"
ABANDONED = "Abandoned"
RUNNING = frozenset({IN_PROGRESS, STOPPING})


class Artifact(NamedTuple):
    """An artifact of a pipeline, and the object that holds it."""

    name: str
    bucket: str
    key: str


class Revision(NamedTuple):
    """What a source action found: a commit."""

    action: str
    revision_id: str
    summary: str
    url: str


@dataclass(frozen=True)
class Result:
    """What an action came to, as the service that did the work calls it."""

    external_id: str = ""
    summary: str = ""
    url: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    revision: Revision | None = None


class ActionFailed(Exception):
    """An action failed; `code` is one of CodePipeline's (`JobFailed`, `ConfigurationError`, …)."""

    def __init__(self, code: str, message: str, result: Result | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.result = code, message, result


@dataclass
class ActionRun:
    """One execution of an action.

    Attributes
    ----------
    leaves
        Set once nobody waits for the action any more.
    decision
        The result of an approval, once there is one.
    """

    run_id: str
    execution_id: str
    stage: str
    action: Record
    version: int
    attempt: int
    role_arn: str
    configuration: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Artifact, ...] = ()
    outputs: tuple[Artifact, ...] = ()
    status: str = IN_PROGRESS
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    updated_by: str = ""
    token: str = ""
    result: Result = field(default_factory=Result)
    error: Mapping[str, str] = field(default_factory=dict)
    decision: Mapping[str, str] = field(default_factory=dict)
    leaves: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """The name of the action."""
        return str(self.action["name"])


@dataclass
class Execution:
    """One pipeline execution.

    Attributes
    ----------
    number
        Later executions of a pipeline have higher ones.
    definition
        The pipeline's definition as it was at the start.
    ending
        What the execution becomes once its actions have ended, where it was told so.
    turn
        Counts the stages that it left: whatever ran in an earlier turn is of no concern any more.
    """

    execution_id: str
    number: int
    definition: Record
    trigger: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    status: str = IN_PROGRESS
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    attempt: int = 1
    turn: int = 0
    ending: str = ""
    stop_reason: str | None = None
    stage: "Stage | None" = None
    stages: dict[str, str] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    runs: list[ActionRun] = field(default_factory=list)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    revisions: dict[str, Revision] = field(default_factory=dict)

    def latest(self, stage: str, action: str) -> ActionRun | None:
        """Return the newest execution of an action."""
        found = (run for run in reversed(self.runs) if (run.stage, run.name) == (stage, action))
        return next(found, None)


@dataclass
class Stage:
    """A stage as executions meet it: who is in it, who waits in front of it, who was last in it.

    Attributes
    ----------
    closed
        Why nobody may enter, by whom and since when; empty while the transition is enabled.
    runs
        The newest execution of each action.
    """

    name: str
    inside: Execution | None = None
    waiting: list[Execution] = field(default_factory=list)
    last: Execution | None = None
    closed: Mapping[str, Any] = field(default_factory=dict)
    runs: dict[str, ActionRun] = field(default_factory=dict)


@dataclass
class Pipeline:
    """A pipeline: its definition in all versions, and everything that ran."""

    arn: str
    definition: Record
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    versions: dict[int, Record] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the pipeline."""
        return str(self.definition["name"])

    @property
    def parallel(self) -> bool:
        """Whether executions do not wait for each other."""
        return bool(self.definition["executionMode"] == "PARALLEL")

    def define(self, definition: Record) -> None:
        """Give the pipeline another definition; stages that keep their name keep their state."""
        self.definition, self.updated = definition, time.time()
        self.versions[definition["version"]] = definition
        names = [stage["name"] for stage in definition["stages"]]
        self.stages = {name: self.stages.get(name) or Stage(name) for name in names}
