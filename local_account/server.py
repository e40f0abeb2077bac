"""Start the account: its services, their hooks into moto, and the loopback server."""

import json
import os
import secrets
import socket
import string
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from local_account.service import Account

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"


@dataclass(frozen=True)
class Options:
    """How to run the account: where it listens, keeps its state and finds interpreters."""

    port: int
    state: Path
    lambda_python: Path
    lambda_native_packages: Path
    cache: Path


def _access_key_id() -> str:
    alphabet = string.ascii_uppercase + string.digits
    return "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_account(options: Options) -> Account:
    """Make the account with credentials of its own and an empty state folder."""
    options.state.mkdir(parents=True, exist_ok=True)
    return Account(
        account_id=ACCOUNT_ID,
        region=REGION,
        url=f"http://127.0.0.1:{options.port or _free_port()}",
        access_key_id=_access_key_id(),
        secret_access_key=secrets.token_urlsafe(30),
        state=options.state,
        cache=options.cache,
    )


def build(account: Account, options: Options, closing: ExitStack) -> BaseWSGIServer:
    """Wire services, hooks and front door together; `closing` stops what they start."""
    os.environ.update(_moto_environment(account))
    # after the environment is set: moto reads it when it is imported
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
    from local_account.services.cloudformation import RESOURCE_TYPES, CloudFormation
    from local_account.services.codebuild import CodeBuild
    from local_account.services.codecommit import CodeCommit
    from local_account.services.codecommit.remote import GitRemote
    from local_account.services.codeconnections import connection_services
    from local_account.services.codepipeline import CodePipeline
    from local_account.services.ecr import Ecr
    from local_account.services.lambda_runtime import LambdaRuntime
    from local_account.services.sagemaker import SageMaker

    require_version()

    lambda_runtime = LambdaRuntime(
        account,
        options.lambda_python,
        options.lambda_native_packages,
        partial(write_log, account),
    )
    installed = hooks.install(account, lambda_runtime)
    sagemaker = SageMaker(account, installed.bus.put)
    codecommit = CodeCommit(account, installed.bus.dispatch)
    tokens = RegistryTokens()
    image_builds = ImageBuilds(account, tokens)
    codebuild = CodeBuild(account, installed.bus.dispatch, codecommit, image_builds)
    codepipeline = CodePipeline(account, installed.bus.put, codecommit, codebuild)
    git, layers = GitRemote(account, codecommit), LayerDownloads(account)
    for service in (codebuild, git, sagemaker, lambda_runtime, installed, codepipeline):
        closing.callback(service.close)
    installed.clock.start()

    def backend(service: str | None) -> Any:
        if service is None:
            raise NotImplementedError("the service of this request")
        application = create_backend_app(service)
        application.config["PROPAGATE_EXCEPTIONS"] = True  # the front door words them
        return application

    front = Front(
        account,
        [
            sagemaker,
            Ecr(account, installed.bus.dispatch, tokens, layers),
            CloudFormation(account, RESOURCE_TYPES),
            codebuild,
            codecommit,
            codepipeline,
            *connection_services(account),
        ],
        sagemaker,
        DomainDispatcherApplication(backend),
        Faults(account.state / "faults.json", lambda_runtime.kill),
        git,
        layers,
    )

    class RequestHandler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if str(code) >= "500":
                target = self.headers.get("X-Amz-Target", "")
                print(f"{self.command} {self.path[:160]} {target} -> {code}", flush=True)

    port = int(account.url.rpartition(":")[2])
    return make_server("127.0.0.1", port, front, threaded=True, request_handler=RequestHandler)


def _moto_environment(account: Account) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": account.access_key_id,
        "AWS_SECRET_ACCESS_KEY": account.secret_access_key,
        "AWS_DEFAULT_REGION": account.region,
        "MOTO_PORT": account.url.rpartition(":")[2],
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "false",
    }


def run(options: Options, ready: Callable[[Account], None]) -> None:
    """Serve until SIGTERM or SIGINT, then stop everything that was started."""
    account = new_account(options)
    with ExitStack() as closing:
        server = build(account, options, closing)
        closing.callback(server.server_close)
        ready(account)
        server.serve_forever()


def describe(account: Account) -> str:
    """Return what a client needs to know of the account, as JSON."""
    known = asdict(account)
    names = ("url", "account_id", "region", "access_key_id", "secret_access_key")
    return json.dumps({**{name: known[name] for name in names}, "pid": os.getpid()}, indent=2)
