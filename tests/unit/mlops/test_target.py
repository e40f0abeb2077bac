"""The account is the one the AWS environment names, and stacks are known by their outputs."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from boto3 import Session
from botocore.exceptions import ClientError

from mlops import project as project_module
from mlops.errors import MissingError, ProjectError, RequestError
from mlops.project import Project, command, load_project
from mlops.runs import describe_run, find_run, gate_limits
from mlops.target import Deployment, Target
from tests.unit.mlops.factories import NAME, START

LOCAL = "http://127.0.0.1:5711"
PACKAGE = Path(project_module.__file__).parent
AWS = "https://sts.eu-west-1.amazonaws.com"


def _target(url: str = LOCAL) -> Target:
    return Target(cast("Session", None), "123456789012", "eu-west-1", url, "work")


def _deployment(outputs: dict[str, dict[str, str]], **clients: Any) -> Deployment:
    target = SimpleNamespace(stack_outputs=outputs.get, **clients)
    return Deployment(Project(Path(), "example"), "dev", cast("Target", target))


def test_the_first_line_says_which_account() -> None:
    assert str(_target()) == f"embedded account 123456789012 eu-west-1 {LOCAL}"
    assert str(_target(AWS)) == "AWS account 123456789012 region eu-west-1 profile work"


def test_aws_is_asked_less_often() -> None:
    assert _target().poll_seconds < _target(AWS).poll_seconds


def test_a_stack_that_is_not_deployed_is_named_with_what_to_do() -> None:
    with pytest.raises(MissingError, match=r"stack example-dev-storage .*`\S+/mlops deploy`"):
        _ = _deployment({}).bucket


def test_a_command_to_run_acts_on_the_environment_that_was_asked_for() -> None:
    assert command("dev", "runs list") == ".venv/bin/mlops runs list"
    assert command("prod", "runs list") == ".venv/bin/mlops runs list --env prod"
    production = Deployment(Project(Path(), "example"), "prod", _deployment({}).target)
    with pytest.raises(MissingError, match=r"`\.venv/bin/mlops deploy --env prod`"):
        _ = production.bucket


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")))
def test_no_message_names_a_command_without_its_environment(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    words = r"\.venv/bin/mlops (deploy|destroy|data publish|pipelines|runs|versions|predict|cost)"
    assert not re.search(words, text)
    assert not re.search(r"(?<![.\w])command\(f?[\"']", text), "the environment is a variable"


def test_an_output_that_is_absent_is_named() -> None:
    with pytest.raises(MissingError, match="has no output BucketName"):
        _ = _deployment({"example-dev-storage": {"Other": "x"}}).bucket


def test_outputs_are_asked_for_once() -> None:
    asked: list[str] = []

    def stack_outputs(stack: str) -> dict[str, str]:
        asked.append(stack)
        return {"BucketName": "b", "RepositoryName": "r"}

    target = cast("Target", SimpleNamespace(stack_outputs=stack_outputs))
    deployment = Deployment(Project(Path(), "example"), "dev", target)
    assert (deployment.bucket, deployment.repository_name) == ("b", "r")
    assert asked == ["example-dev-storage"]


class _Client:
    def __init__(self, error: str) -> None:
        self.error = error

    def describe_stacks(self, **request: str) -> None:
        raise ClientError({"Error": {"Code": "ValidationError", "Message": self.error}}, "D")


def test_only_a_stack_that_does_not_exist_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    target = _target()
    monkeypatch.setitem(target.__dict__, "cloudformation", _Client("Stack x does not exist"))
    assert target.stack_outputs("x") is None
    monkeypatch.setitem(target.__dict__, "cloudformation", _Client("rate exceeded"))
    with pytest.raises(ClientError):
        target.stack_outputs("x")


@pytest.mark.parametrize(
    ("text", "words"),
    [("[project", "is not TOML"), ("[project]", "no .project. name"), ("project = 1", "no .proj")],
)
def test_a_settings_file_without_a_name_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mlops.toml").write_text(text)
    with pytest.raises(ProjectError, match=words):
        load_project(tmp_path)


def test_the_project_is_found_from_a_folder_inside_it(tmp_path: Path) -> None:
    (tmp_path / "mlops.toml").write_text('[project]\nname = "example"')
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert load_project(tmp_path / "a" / "b") == Project(tmp_path, "example")


class _States:
    """Step Functions with two executions."""

    names = (NAME, "v1-0-20261121T120000-0a1b")

    def get_paginator(self, name: str) -> "_States":
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        arn = request["stateMachineArn"].replace(":stateMachine:", ":execution:")
        listed = [{"executionArn": f"{arn}:{name}", "startDate": START} for name in self.names]
        return [{"executions": listed}]

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        return {
            "name": executionArn.rpartition(":")[2],
            "status": "SUCCEEDED",
            "startDate": START,
            "input": '{"trigger": "upload", "dataset": "v1.0", "manifest_version_id": "7"}',
            "output": '{"run": {"status": "Duplicate"}}',
        }

    def describe_state_machine(self, **request: str) -> dict[str, str]:
        payload = '{"limits": {"rmse": {"max": 2.35}}}'
        return {
            "definition": f'{{"States": {{"ReadEvaluation": {{"Parameters": {{"Payload": {payload}'
            "}}}}"
        }


@pytest.fixture
def deployed() -> Deployment:
    arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
    outputs = {"example-dev-training": {"StateMachineArn": arn}}
    return _deployment(outputs, stepfunctions=_States())


def test_a_run_says_which_upload_started_it_and_how_it_ended(deployed: Deployment) -> None:
    run = describe_run(deployed.target, "arn:aws:states:r:a:execution:m:name")
    assert (run.trigger, run.dataset, run.manifest_version_id) == ("upload", "v1.0", "7")
    assert run.outcome == "Duplicate"


def test_a_run_is_found_by_name_by_its_beginning_and_by_default(deployed: Deployment) -> None:
    assert find_run(deployed, NAME).name == NAME
    assert find_run(deployed, "v1-0-2d3f").short_name == "v1-0-2d3f5a1f"
    assert find_run(deployed, None).name == NAME
    with pytest.raises(MissingError, match="2 runs begin with v1-0"):
        find_run(deployed, "v1-0")
    with pytest.raises(MissingError, match="no run nope .* See `.*mlops runs list`; `.*publish"):
        find_run(deployed, "nope")


def test_a_run_of_another_state_machine_is_refused(deployed: Deployment) -> None:
    own = "arn:aws:states:eu-west-1:123456789012:execution:m"
    assert find_run(deployed, f"{own}:any").name == "any"
    for other in (f"{own}-2:any", own.replace("eu-west-1", "us-east-1") + ":any", "arn:aws:x"):
        with pytest.raises(
            MissingError, match=f"{other} is no run of {deployed.state_machine_arn}"
        ):
            find_run(deployed, other)


@pytest.mark.parametrize("reference", ["", " "])
def test_an_empty_reference_is_not_the_newest_run(deployed: Deployment, reference: str) -> None:
    with pytest.raises(RequestError, match="RUN is empty"):
        find_run(deployed, reference)


def test_the_limits_of_the_gate_are_those_of_the_deployed_machine(deployed: Deployment) -> None:
    assert gate_limits(deployed) == {"rmse": {"max": 2.35}}
