"""Projects and builds in an account, and short ways to look at them: what their tests share."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore import xform_name

from local_account.sandbox import bubblewrap_works
from local_account.service import Account
from local_account.services.codebuild import CodeBuild
from tests.account.roles import create_role
from tests.account.sagemaker_fixture import Administrator, until
from tests.conftest import CACHE, RunningAccount

ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}
Record = dict[str, Any]


def spec(**phases: list[str] | Record) -> str:
    """Return a buildspec: the commands of phases, or all that a phase has."""
    whole = {
        name: {"commands": phase} if isinstance(phase, list) else phase
        for name, phase in phases.items()
    }
    return json.dumps({"version": "0.2", "phases": whole})


def with_more(buildspec: str, **more: Any) -> str:
    """Return a buildspec with more in it; `_` in names stands for `-`."""
    return json.dumps({**json.loads(buildspec), **more})


def zipped(files: dict[str, str | bytes]) -> bytes:
    """Return a zip archive of files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


@dataclass(kw_only=True)
class Builder:
    """Projects and builds of an account, asked for as clients do."""

    account: RunningAccount
    role: str
    client: Any
    names: set[str] = field(default_factory=set)

    def project(self, name: str, buildspec: str, **more: Any) -> Record:
        """Create a project without a source, unless more is said."""
        asked = {
            "source": {"type": "NO_SOURCE", "buildspec": buildspec},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": ENVIRONMENT,
            "serviceRole": self.role,
            **more,
        }
        self.names.add(name)
        created: Record = self.client.create_project(name=name, **asked)["project"]
        return created

    def start(self, name: str, **override: Any) -> str:
        return str(self.client.start_build(projectName=name, **override)["build"]["id"])

    def get(self, build_id: str) -> Record:
        (build,) = self.client.batch_get_builds(ids=[build_id])["builds"]
        return dict(build)

    def ended(self, build_id: str, seconds: float = 60) -> Record:
        def complete() -> Record | None:
            build = self.get(build_id)
            return build if build["buildComplete"] else None

        build: Record = until(complete, seconds)
        return build

    def build(self, name: str, buildspec: str, **more: Any) -> Record:
        """Create a project, and run a build of it to its end."""
        self.project(name, buildspec, **more)
        return self.ended(self.start(name))

    def until_phase(self, build_id: str, phase: str) -> None:
        until(lambda: True if self.get(build_id)["currentPhase"] == phase else None)

    def until_logged(self, build_id: str, text: str) -> None:
        build = self.get(build_id)
        until(lambda: True if text in "\n".join(self.log(build)) else None)

    def log(self, build: Record) -> list[str]:
        """Return the lines of a build's log, CodeBuild's own without their times."""
        logs, where = self.account.client("logs"), build["logs"]
        try:
            found = logs.get_log_events(
                logGroupName=where["groupName"],
                logStreamName=where["streamName"],
                startFromHead=True,
            )
        except logs.exceptions.ResourceNotFoundException:
            return []
        messages = [event["message"] for event in found["events"]]
        own = "[Container] "
        return [f"> {each[39:]}" if each.startswith(own) else each for each in messages]

    def printed(self, build: Record) -> list[str]:
        """Return what the commands of a build printed."""
        return [line for line in self.log(build) if not line.startswith("> ")]


def in_s3(builder: Builder, name: str, body: bytes, buildspec: str = "") -> dict[str, str]:
    """Put a source into S3, and return it as a project names it."""
    s3 = builder.account.client("s3")
    bucket = "codebuild-sources"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=f"{name}.zip", Body=body)
    more = {"buildspec": buildspec} if buildspec else {}
    return {"type": "S3", "location": f"{bucket}/{name}.zip", **more}


def statuses(build: Record) -> dict[str, str]:
    """Return the status of each phase of a build that ended."""
    assert build["phases"][-1]["phaseType"] == "COMPLETED"
    return {phase["phaseType"]: phase["phaseStatus"] for phase in build["phases"][:-1]}


def context(build: Record) -> tuple[str, str, str]:
    """Return the phase that failed first, its context's code and message."""
    phase = next(each for each in build["phases"] if each.get("contexts"))
    (found,) = phase["contexts"]
    return phase["phaseType"], found["statusCode"], found["message"]


@pytest.fixture(scope="module")
def builder(account: RunningAccount) -> Builder:
    """CodeBuild of the account that all tests share."""
    role = create_role(account, "builds", "codebuild")
    return Builder(account=account, role=role, client=account.client("codebuild"))


class _Direct:
    """Calls a service under boto3's names."""

    def __init__(self, service: CodeBuild) -> None:
        self._names = {xform_name(each): each for each in service._model.operation_names}
        self._service = service

    def __getattr__(self, name: str) -> Any:
        return lambda **params: self._service.call(self._names[name], params)


@dataclass(kw_only=True)
class DirectBuilder(Builder):
    """The same, but with CodeBuild in the test's own process, and its events."""

    service: CodeBuild
    emitted: list[Record]


@pytest.fixture(params=["bwrap", "process"])
def direct(builder: Builder, request: pytest.FixtureRequest) -> Iterator[DirectBuilder]:
    """CodeBuild with the isolation of the parameter, on the running account's other services."""
    if request.param == "bwrap" and not bubblewrap_works():
        pytest.skip("bubblewrap does not work on this machine")
    contact = {name: value for name, value in builder.account.contact.items() if name != "pid"}
    account = Account(**contact, state=builder.account.log.parent / "state", cache=CACHE)
    vars(account)["identities"] = Administrator(account)
    emitted: list[Record] = []
    service = CodeBuild(account, emitted.append)
    service.plane.isolation = request.param
    yield DirectBuilder(
        account=builder.account,
        role=builder.role,
        client=_Direct(service),
        service=service,
        emitted=emitted,
    )
    service.close()
