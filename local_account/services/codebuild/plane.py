"""What the parts of CodeBuild share: the account, refusals, and who does what for a build."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from local_account.contained import Isolation
from local_account.sandbox import bubblewrap_works
from local_account.service import Account, ServiceError
from local_account.services.eventbridge import Event
from local_account.services.paging import page

Record = dict[str, Any]
SERVICE = "codebuild.amazonaws.com"
_RUNNING_AT_ONCE = 8
_PAGE = 100


class Commit(Protocol):
    """What a repository tells of a commit."""

    @property
    def id(self) -> str:
        """Return its 40 hexadecimal digits."""


class Repositories(Protocol):
    """Where the sources of type CODECOMMIT are."""

    def tip(self, repository: str, branch: str) -> Commit:
        """Return the newest commit of a branch."""

    def archive(self, repository: str, commit_id: str) -> bytes:
        """Return a zip of a commit's files."""


class ImageBuilds(Protocol):
    """What privileged builds make images with."""

    client: Path

    def serve(self) -> AbstractContextManager[Path]:
        """Run a daemon for one build; return its socket."""


@dataclass(frozen=True)
class S3Object:
    """Where an artifact of a pipeline is."""

    bucket: str
    key: str


@dataclass(frozen=True)
class PipelineBuild:
    """What a pipeline asks of a project whose source and artifacts are CODEPIPELINE's."""

    initiator: str
    source_version: str
    source: S3Object
    secondary_sources: Mapping[str, S3Object]
    outputs: Mapping[str, S3Object]
    environment: Sequence[Mapping[str, str]]
    kms_key: str = ""


@dataclass(frozen=True)
class EndedBuild:
    """What came of a build, for the pipeline that asked for it."""

    status: str
    message: str
    exported: Mapping[str, str]


@dataclass
class Plane:
    """CodeBuild in one account, as its parts see it.

    Attributes
    ----------
    minute_seconds
        How long a minute of a build's timeouts is.
    """

    account: Account
    emit: Callable[[Event], None]
    repositories: Repositories | None = None
    image_builds: ImageBuilds | None = None
    isolation: Isolation = field(
        default_factory=lambda: "bwrap" if bubblewrap_works() else "process"
    )
    minute_seconds: float = 60.0
    lock: threading.RLock = field(default_factory=threading.RLock)
    closing: threading.Event = field(default_factory=threading.Event)
    places: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(_RUNNING_AT_ONCE)
    )

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a project or a build."""
        return self.account.arn("codebuild", f"{kind}/{name}")


def invalid(message: str) -> ServiceError:
    """Return the error of a request that CodeBuild refuses for what it asks."""
    return ServiceError("InvalidInputException", message)


def missing(message: str) -> ServiceError:
    """Return the error of a request about what is not there."""
    return ServiceError("ResourceNotFoundException", message)


def refuse(condition: object, what: str) -> None:
    """Refuse by name what would change the outcome and is not modelled."""
    if condition:
        message = f"The embedded account does not model {what}; leave it out."
        raise ServiceError("UnsupportedOperation", message, 501)


def listing(member: str, items: list[Any], params: Record) -> Record:
    """Return a page of a listing, and a token for the next one."""
    shown, token = page(items, params.get("nextToken"), _PAGE, "InvalidInputException")
    return {member: shown, "nextToken": token}
