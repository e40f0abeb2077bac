"""The account's services, who asks whom, and the front door before them.

It is imported when the environment is set that moto reads as it is imported.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

from local_account import hooks
from local_account.faults import Faults
from local_account.front import Front
from local_account.hooks.function_roles import write_log
from local_account.hooks.replace import require_version
from local_account.image_builds import ImageBuilds
from local_account.layer_downloads import LayerDownloads
from local_account.registry_tokens import RegistryTokens
from local_account.service import Account, JsonService
from local_account.services.cloudformation import RESOURCE_TYPES, CloudFormation
from local_account.services.codebuild import CodeBuild
from local_account.services.codecommit import CodeCommit
from local_account.services.codecommit.remote import GitRemote
from local_account.services.codeconnections import connection_services
from local_account.services.codepipeline import CodePipeline
from local_account.services.ecr import Ecr
from local_account.services.lambda_runtime import LambdaRuntime
from local_account.services.sagemaker import SageMaker


class _Started(Protocol):
    """What runs something beside the requests."""

    @property
    def close(self) -> Callable[[], None]:
        """Stop it."""


class Wiring:
    """The services of one account.

    Attributes
    ----------
    started
        Those that start something, which is to be stopped from the last to the first.
    """

    def __init__(self, account: Account, lambda_python: Path, native_packages: Path) -> None:
        require_version()
        self._account = account
        written = partial(write_log, account)
        self._lambda = LambdaRuntime(account, lambda_python, native_packages, written)
        self._hooks = hooks.install(account, self._lambda)
        bus = self._hooks.bus
        self._sagemaker = SageMaker(account, bus.put)
        self._codecommit = CodeCommit(account, bus.dispatch)
        self._git = GitRemote(account, self._codecommit)
        self._tokens, self._layers = RegistryTokens(), LayerDownloads(account)
        images = ImageBuilds(account, self._tokens)
        self._codebuild = CodeBuild(account, bus.dispatch, self._codecommit, images)
        self._codepipeline = CodePipeline(account, bus.put, self._codecommit, self._codebuild)
        self.started: tuple[_Started, ...] = (
            *(self._codebuild, self._git, self._sagemaker),
            *(self._lambda, self._hooks, self._codepipeline),
        )

    def start(self) -> None:
        """Let schedules fire."""
        self._hooks.clock.start()

    def front(self) -> Front:
        """Return the front door, behind which moto answers what no service here does."""
        return Front(
            self._account,
            self._services(),
            self._sagemaker,
            DomainDispatcherApplication(_backend),
            Faults(self._account.state / "faults.json", self._lambda.kill),
            self._git,
            self._layers,
        )

    def _services(self) -> list[JsonService]:
        account = self._account
        return [
            self._sagemaker,
            Ecr(account, self._hooks.bus.dispatch, self._tokens, self._layers),
            CloudFormation(account, RESOURCE_TYPES),
            self._codebuild,
            self._codecommit,
            self._codepipeline,
            *connection_services(account),
        ]


def _backend(service: str | None) -> Any:
    if service is None:
        raise NotImplementedError("the service of this request")
    application = create_backend_app(service)
    application.config["PROPAGATE_EXCEPTIONS"] = True  # the front door words them
    return application


class RequestHandler(MotoRequestHandler):
    """Answers over HTTP 1.1, and prints the requests that failed for the account's own sake."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print a request that was answered with an error of the server's."""
        if str(code) >= "500":
            target = self.headers.get("X-Amz-Target", "")
            print(f"{self.command} {self.path[:160]} {target} -> {code}", flush=True)
