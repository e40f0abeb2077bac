"""The pipeline as users deploy it: the CDK CLI into an embedded account, `mlops` for the rest."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, RunningAccount, start_account
from tests.e2e.images import put_images

RUN_SECONDS = 120


def state_entered(events: list[dict[str, Any]]) -> str:
    """Return the state that was entered last, of events with the newest first; or nothing."""
    details = "stateEnteredEventDetails"
    return next((event[details]["name"] for event in events if details in event), "")


@dataclass(frozen=True)
class Pipeline:
    """A deployed pipeline: its outputs, and what tests do with it."""

    account: RunningAccount
    name: str
    env: str
    outputs: dict[str, str]
    datasets: Path

    def mlops(self, *arguments: str, folder: Path = ROOT) -> str:
        with synthesizing() if arguments[0] in ("deploy", "destroy") else nullcontext():
            return self._mlops(*arguments, folder=folder)

    def _mlops(self, *arguments: str, folder: Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mlops", *arguments, "--env", self.env],
            cwd=folder,
            env={**self.account.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def upload(self, folder: Path, version: str, environment: dict[str, str] | None = None) -> None:
        """Upload a data set version with the AWS CLI: the files, then the manifest."""
        bucket = f"s3://{self.outputs['BucketName']}/{version}"
        aws = [str(Path(sys.executable).with_name("aws")), "s3", "cp", "--quiet"]
        manifest = "_MANIFEST.json"
        for command in (
            [*aws, "--recursive", "--exclude", manifest, str(folder), bucket],
            [*aws, str(folder / manifest), f"{bucket}/{manifest}"],
        ):
            done = subprocess.run(
                command,
                env=environment or self.account.environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr

    def deliver(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        """Give an event of AWS to the functions whose rules it matches, as EventBridge does.

        Only AWS itself can put such an event on the bus.
        """
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self.account.contact["account_id"],
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": self.account.contact["region"],
            "resources": [],
            "detail": detail,
        }
        events, text = self.account.client("events"), json.dumps(event)
        for rule in events.list_rules()["Rules"]:
            pattern = rule.get("EventPattern")
            if pattern and events.test_event_pattern(EventPattern=pattern, Event=text)["Result"]:
                for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                    self.account.client("lambda").invoke(
                        FunctionName=target["Arn"], InvocationType="Event", Payload=text
                    )

    def executions(self) -> list[str]:
        client = self.account.client("stepfunctions")
        answer = client.list_executions(stateMachineArn=self.outputs["StateMachineArn"])
        return [execution["executionArn"] for execution in answer["executions"]]

    def run(self, folder: Path, version: str, environment: Any = None) -> dict[str, Any]:
        """Upload a data set version and wait for the execution that this starts to end."""
        before = set(self.executions())
        self.upload(folder, version, environment)
        return self.wait(before)[0]

    def wait(self, before: set[str], count: int = 1) -> list[dict[str, Any]]:
        """Wait until `count` executions that are not in `before` have ended."""
        client, deadline = self.account.client("stepfunctions"), time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            started = [arn for arn in self.executions() if arn not in before]
            ended = [client.describe_execution(executionArn=arn) for arn in started]
            if len(ended) >= count and all(each["status"] != "RUNNING" for each in ended):
                return ended
            time.sleep(0.1)
        raise AssertionError(f"{count} executions were expected to end: {self.account.log}")

    def start(self, dataset: str | None, **asked: Any) -> str:
        """Start an execution without an upload and return its ARN."""
        request = {
            "trigger": "manual",
            "dataset": dataset,
            "manifest_version_id": None,
            "hyperparameters": {},
            "again": False,
            **asked,
        }
        started = self.account.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["StateMachineArn"], input=json.dumps(request)
        )
        return str(started["executionArn"])

    def ended(self, arn: str) -> dict[str, Any]:
        """Wait for an execution to end, and for what has to happen after its end."""
        client, deadline = self.account.client("stepfunctions"), time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            execution: dict[str, Any] = client.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING" and self.is_completed(arn):
                return execution
            time.sleep(0.1)
        raise AssertionError(f"{arn} was expected to end: {self.account.log}")

    def is_completed(self, arn: str) -> bool:
        """Tell whether nothing is left to do for an execution."""
        item = self.account.client("dynamodb").get_item(
            TableName=self.outputs["RunTableName"], Key={"id": {"S": f"ended#{arn}"}}
        )
        return "completed_at" in item.get("Item", {})

    def until(self, is_so: Callable[[], object], seconds: float = RUN_SECONDS) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, self.account.log
            time.sleep(0.05)

    def comes_into(self, arn: str, is_there: Callable[[], bool]) -> bool:
        """Wait until an execution is seen where it is looked for; tell False if it ended unseen."""
        client, seen = self.account.client("stepfunctions"), False
        while not seen and client.describe_execution(executionArn=arn)["status"] == "RUNNING":
            seen = is_there()
        if not seen:
            self.ended(arn)
        return seen

    def state_of(self, arn: str) -> str:
        """Return the name of the state that an execution entered last."""
        return state_entered(self.newest_events(arn))

    def newest_events(self, arn: str) -> list[dict[str, Any]]:
        """Return the latest events of an execution, the newest first."""
        history = self.account.client("stepfunctions").get_execution_history(
            executionArn=arn, reverseOrder=True
        )
        return [dict(event) for event in history["events"]]

    def states(self, execution: dict[str, Any]) -> list[str]:
        """Return the names of the states that an execution entered, in order."""
        pages = self.account.client("stepfunctions").get_paginator("get_execution_history")
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages.paginate(executionArn=execution["executionArn"])
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]

    def versions(self) -> list[dict[str, Any]]:
        """Return the descriptions of the registered versions, oldest first."""
        client = self.account.client("sagemaker")
        pages = client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.outputs["ModelPackageGroupName"], SortOrder="Ascending"
        )
        return [
            client.describe_model_package(ModelPackageName=each["ModelPackageArn"])
            for page in pages
            for each in page["ModelPackageSummaryList"]
        ]


@contextmanager
def synthesizing() -> Iterator[None]:
    """One test process at a time writes the cloud assembly of this folder."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    with (folder / "synthesizing.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def deploy(account: RunningAccount, env: str, datasets: Path) -> Pipeline:
    """Bootstrap, and deploy what trains: no test waits for the model code's own pipeline.

    Its images come from `tests.e2e.images`, which puts them where the pipeline's build would.
    """
    cdk(account, "bootstrap", f"aws://{account.contact['account_id']}/{account.contact['region']}")
    deploy_training(account, env)
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for stack in stacks
        for output in stack.get("Outputs", [])
    }
    name = next(s["StackName"] for s in stacks if s["StackName"].endswith(f"-{env}-training"))
    return Pipeline(account, name.removesuffix(f"-{env}-training"), env, outputs, datasets)


def deploy_training(account: RunningAccount, env: str, folder: Path = ROOT) -> None:
    """Deploy the stacks of data and training of the project in a folder."""
    chosen = (f"*-{env}-training", "-c", f"env={env}", "-o", str(folder / "build/cdk.out"))
    cdk(account, "deploy", *chosen, "--require-approval", "never", folder=folder)


def cdk(account: RunningAccount, *arguments: str, folder: Path = ROOT) -> None:
    """Run the CDK CLI on the project in a folder."""
    with synthesizing():
        done = subprocess.run(
            [sys.executable, "-m", "mlops.cdk", *arguments],
            cwd=folder,
            env={**account.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def with_model_code(folder: Path, **replaced: str) -> Path:
    """Copy the model code, with the given modules in other words."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "model_code", folder / "model_code", ignore=ignore)
    for module, text in replaced.items():
        (folder / "model_code" / f"{module}.py").write_text(text)
    return folder


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory, account: RunningAccount) -> Path:
    """The data set versions of the default example."""
    folder = tmp_path_factory.mktemp("datasets")
    done = subprocess.run(
        [sys.executable, "-m", "mlops", "data", "build", "--out", str(folder)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def pipeline(account: RunningAccount, datasets: Path) -> Pipeline:
    """The pipeline of environment `dev`, with images of the model code as it is."""
    deployed = deploy(account, "dev", datasets)
    put_images(deployed)
    return deployed


@pytest.fixture(scope="session")
def enforcing(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Pipeline]:
    """The pipeline of environment `staging`, whose gate enforces, in an account of its own."""
    with start_account(tmp_path_factory.mktemp("enforcing")) as running:
        yield deploy(running, "staging", datasets)
