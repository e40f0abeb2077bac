"""One embedded account for the whole session, started as users start it: as a process."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache/builds"
"""The project's own: `make setup` has installed the environments of jobs and endpoints there."""


@dataclass(frozen=True)
class RunningAccount:
    """An embedded account and how to reach it."""

    contact: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return str(self.contact["url"])

    @contextmanager
    def faults(self, *rules: Mapping[str, Any]) -> Iterator[None]:
        """Let requests go wrong as the rules say (docs/embedded-account.md, "Faults")."""
        file = self.log.parent / "state" / "faults.json"
        written = file.with_suffix(".new")
        written.write_text(json.dumps(rules))
        written.rename(file)  # a request reads all of it or nothing
        try:
            yield
        finally:
            file.unlink()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which unmodified clients reach the account, and no others."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.contact["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.contact["secret_access_key"],
            "AWS_DEFAULT_REGION": self.contact["region"],
            "AWS_REGION": self.contact["region"],
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(
        self, service: str, key_id: str = "", secret: str = "", token: str = "", **config: Any
    ) -> Any:
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.url,
            region_name=self.contact["region"],
            aws_access_key_id=key_id or self.contact["access_key_id"],
            aws_secret_access_key=secret or self.contact["secret_access_key"],
            aws_session_token=token or None,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config),
        )

    def assumed(self, role_arn: str, **limits: str) -> Callable[..., Any]:
        """Assume a role; return what makes its clients of a service."""
        request = {"RoleArn": role_arn, "RoleSessionName": "tested", **limits}
        key = self.client("sts").assume_role(**request)["Credentials"]
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        own = dict(zip(("key_id", "secret", "token"), (key[name] for name in names), strict=True))
        return partial(self.client, **own)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a client of the account, such as `aws` or `mlops`, at the project's root."""
        program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} exited {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


@contextmanager
def start_account(folder: Path, *arguments: str) -> Iterator[RunningAccount]:
    """Run an account in `folder` that is ready, and stop it in the end."""
    log = folder / "account.log"
    state = folder / "state"
    command = [
        sys.executable,
        *("-m", "local_account", "--state", str(state)),
        *("--lambda-python", str(ROOT / ".venv-lambda/bin/python")),
        *("--lambda-native-packages", str(ROOT / ".cache/lambda-native")),
        *("--cache", str(CACHE)),
        *arguments,
    ]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while not (contact := state / "account.json").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the account did not start:\n{log.read_text()}")
                time.sleep(0.05)
            yield RunningAccount(json.loads(contact.read_text()), log, process)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAccount]:
    """The account that the tests share; tests name their resources after themselves."""
    with start_account(tmp_path_factory.mktemp("account")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have measured, wherever they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(str(value))
