"""Start the account: its services, their hooks into moto, and the loopback server."""

import json
import os
import secrets
import socket
import string
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

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
    from local_account.wiring import RequestHandler, Wiring

    wiring = Wiring(account, options.lambda_python, options.lambda_native_packages)
    for service in wiring.started:
        closing.callback(service.close)
    front = wiring.front()
    wiring.start()
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
