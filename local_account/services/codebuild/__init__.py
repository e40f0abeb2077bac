"""CodeBuild: projects, and builds that really run the commands of their buildspec."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Self

from botocore import xform_name

from local_account.authorization.principals import Credentials, Principal
from local_account.service import Account, JsonService, Operation
from local_account.services.codebuild.builds import Builds
from local_account.services.codebuild.plane import (
    EndedBuild,
    ImageBuilds,
    PipelineBuild,
    Plane,
    Repositories,
    S3Object,
)
from local_account.services.codebuild.projects import Projects
from local_account.services.eventbridge import Event

__all__ = ["CodeBuild", "EndedBuild", "PipelineBuild", "S3Object"]

_STARTS = ("start_build", "retry_build")


class CodeBuild(JsonService):
    """The CodeBuild API, each part of it in a module of its own."""

    service_name = "codebuild"
    refusal = "InvalidInputException"

    def __init__(
        self,
        account: Account,
        emit: Callable[[Event], None],
        repositories: Repositories | None = None,
        image_builds: ImageBuilds | None = None,
    ) -> None:
        super().__init__(account)
        self.plane = Plane(account, emit, repositories, image_builds)
        self._projects = Projects(self.plane)
        self._builds = Builds(self.plane, self._projects)
        self._initiator = "root"

    def asked_by(self, caller: Credentials) -> Self:
        """Return the service as it acts for a caller, who initiates the builds that it starts."""
        service = copy(self)
        if found := self.account.identities.identify(caller.access_key_id):
            service._initiator = _initiator(found[0])
        return service

    def start_for_pipeline(self, project: str, asked: PipelineBuild) -> str:
        """Start a build with a pipeline's artifacts, and return its id.

        Raises
        ------
        ServiceError
            If there is no such project, or its source is not of type CODEPIPELINE.
        """
        return self._builds.start_for_pipeline(project, asked)

    def ended(self, build_id: str) -> EndedBuild | None:
        """Return what came of a build, or None while it runs.

        Raises
        ------
        ServiceError
            If there is no such build.
        """
        return self._builds.ended(build_id)

    def close(self) -> None:
        """Stop every build."""
        self._builds.close()

    def _operation(self, operation: str) -> Operation | None:
        name = xform_name(operation)
        for part in (self._projects, self._builds):
            if method := getattr(part, name, None):
                return partial(method, initiator=self._initiator) if name in _STARTS else method
        return None


def _initiator(principal: Principal) -> str:
    """Return what CodeBuild calls who started a build: a user's name, a role and its session."""
    name = principal.arn.rpartition(":")[2]
    return name.removeprefix("assumed-role/").removeprefix("user/")
