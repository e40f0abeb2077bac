"""Commands on the pipeline: the account first, JSON alone where asked for, errors in one line."""

import json
import subprocess
from typing import Any

import pytest
from typer.testing import CliRunner

from mlops.cli import app
from mlops.commands import repo_url as repo_url_command
from mlops.git import git_environment, git_variables, has_helper
from mlops.project import Project
from mlops.target import Deployment
from tests.conftest import ROOT
from tests.unit.mlops.pipeline_factories import (
    BUILD_ID,
    FIRST,
    PIPELINE,
    CodePipeline,
    action,
    deployment,
    failed_build,
    summary,
)

LINE = "embedded account 123456789012 us-east-1 http://127.0.0.1:1"
URL = "http://127.0.0.1:1/v1/repos/ModelCode"
FAILED = action("Build", 5, "Failed", externalExecutionId=BUILD_ID)


def _connect(monkeypatch: pytest.MonkeyPatch, known: Deployment) -> CliRunner:
    def connect(env: str, output: Any) -> Deployment:
        output.note(LINE)
        return Deployment(Project(ROOT, "example"), "dev", known.target)

    for module in ("pipelines", "pipeline_control"):
        monkeypatch.setattr(f"mlops.commands.{module}.connect", connect)
    return CliRunner()


@pytest.fixture
def pipeline() -> CodePipeline:
    return CodePipeline(summary(status="Failed"), actions=[action("Test", 1), FAILED])


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, pipeline: CodePipeline) -> CliRunner:
    return _connect(monkeypatch, deployment(pipeline, failed_build()))


def test_the_list_shows_what_each_execution_is_of(cli: CliRunner) -> None:
    lines = cli.invoke(app, ["pipelines", "list"]).stdout.splitlines()
    assert lines[0] == LINE
    assert lines[2].split()[:5] == ["1a2b3c4d", "Failed", "0f1e2d3", "Mend", "it"]
    (document,) = json.loads(cli.invoke(app, ["pipelines", "list", "--json"]).stdout)
    assert (document["id"], document["seconds"]) == (FIRST, 20.0)


def test_an_empty_list_says_what_starts_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = _connect(monkeypatch, deployment(CodePipeline()))
    assert "a push to the repository" in cli.invoke(app, ["pipelines", "list"]).stdout


def test_following_a_failure_ends_with_its_log_and_one_line(cli: CliRunner) -> None:
    followed = cli.invoke(app, ["pipelines", "follow"])
    assert followed.exit_code == 1
    assert "  | line 89" in followed.stdout
    assert followed.stderr.startswith("error: execution 1a2b3c4d of commit 0f1e2d3 failed in stage")
    assert len(followed.stderr.strip().splitlines()) == 1


def test_a_failure_as_json_has_its_cause(cli: CliRunner) -> None:
    followed = cli.invoke(app, ["pipelines", "follow", "--json"])
    assert followed.exit_code == 1
    document = json.loads(followed.stdout)
    assert (document["failure"]["stage"], document["failure"]["where"]) == ("Build", "BUILD")
    assert [each["stage"] for each in document["actions"]] == ["Test", "Build"]


def test_an_execution_and_a_commit_are_two_ways_to_name_one(cli: CliRunner) -> None:
    assert cli.invoke(app, ["pipelines", "follow", "x", "--commit", "abcdef0"]).exit_code == 2
    refused = cli.invoke(app, ["pipelines", "follow", "--commit", "HEAD"])
    assert "expected 7 to 40 hexadecimal digits" in refused.stderr


def test_logs_are_of_the_stage_that_failed(cli: CliRunner) -> None:
    lines = cli.invoke(app, ["pipelines", "logs", "--lines", "12"]).stdout.splitlines()
    assert lines[1].startswith("execution 1a2b3c4d of commit 0f1e2d3, Build Failed: example-build:")
    assert lines[2:4] == ["line 88", "line 89"]


def test_a_retry_says_which_stage_and_how_to_see_it(cli: CliRunner) -> None:
    printed = cli.invoke(app, ["pipelines", "retry", "1a2b"]).stdout
    assert "tries stage Build again" in printed
    assert "mlops pipelines follow 1a2b3c4d`" in printed


def test_a_start_says_which_execution_and_how_to_see_it(
    cli: CliRunner, pipeline: CodePipeline
) -> None:
    printed = cli.invoke(app, ["pipelines", "start"]).stdout
    assert "started execution 5e6f7a8b" in printed
    assert "mlops pipelines follow 5e6f7a8b`" in printed
    pipeline.executions = [summary(status="Failed")]
    as_json = cli.invoke(app, ["pipelines", "start", "--json"])
    assert json.loads(as_json.stdout)["status"] == "InProgress"
    assert cli.invoke(app, ["pipelines", "start", "--commit", "HEAD"]).exit_code == 1


def test_stopping_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = CodePipeline(summary(status="InProgress"))
    cli = _connect(monkeypatch, deployment(going_on))
    assert cli.invoke(app, ["pipelines", "stop"], input="n\n").exit_code == 1
    assert going_on.asked == []
    stopped = cli.invoke(app, ["pipelines", "stop", "--yes", "--json"])
    assert json.loads(stopped.stdout)["status"] == "Stopped"


@pytest.mark.parametrize(("word", "status"), [("approve", "Approved"), ("reject", "Rejected")])
def test_an_approval_is_answered(monkeypatch: pytest.MonkeyPatch, word: str, status: str) -> None:
    waits = {"actionName": "Agree", "latestExecution": {"status": "InProgress", "token": "t"}}
    latest = {"pipelineExecutionId": FIRST, "status": "InProgress"}
    stage = {"stageName": "Train", "latestExecution": latest, "actionStates": [waits]}
    pipeline = CodePipeline(state={"pipelineName": PIPELINE, "stageStates": [stage]})
    cli = _connect(monkeypatch, deployment(pipeline))
    printed = json.loads(cli.invoke(app, ["pipelines", word, "--json"]).stdout)
    assert (printed["answer"], printed["stage"]) == (status, "Train")
    assert "token" not in printed
    assert pipeline.asked[0][1]["result"]["status"] == status


def _repo_url(monkeypatch: pytest.MonkeyPatch, known: Deployment) -> Any:
    monkeypatch.setattr(repo_url_command, "find_target", lambda: known.target)
    monkeypatch.setattr(repo_url_command, "load_project", lambda: known.project)
    return CliRunner().invoke(app, ["repo-url"])


@pytest.fixture
def no_git_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.delenv("GIT_CONFIG_COUNT", raising=False)


@pytest.mark.usefixtures("no_git_settings")
def test_the_clone_url_is_alone_on_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = _repo_url(monkeypatch, deployment())
    assert printed.stdout == f"{URL}\n"
    assert 'eval "$(.venv/bin/mlops account env)"' in printed.stderr
    on_aws = _repo_url(monkeypatch, deployment(embedded=False))
    assert "git config --global credential.helper '!aws codecommit" in on_aws.stderr


@pytest.mark.usefixtures("no_git_settings")
def test_git_that_signs_in_needs_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in git_variables("http://127.0.0.1:1", {}).items():
        monkeypatch.setenv(name, value)
    assert has_helper(URL)
    assert not has_helper("https://example.com/other")
    assert _repo_url(monkeypatch, deployment()).stderr == ""
    asked = ["git", "config", "--get-urlmatch", "credential.usehttppath", URL]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert told.stdout == "true\n"


def test_what_git_is_told_by_others_is_kept_and_what_an_account_before_said_is_not() -> None:
    others = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Somebody",
    }
    first = git_variables("http://127.0.0.1:1", others)
    assert first["GIT_CONFIG_COUNT"] == "4"
    assert first["GIT_CONFIG_VALUE_0"] == "Somebody"
    second = git_variables("http://127.0.0.1:2", first)
    assert second["GIT_CONFIG_COUNT"] == "4"
    assert "127.0.0.1:1" not in "".join(second.values())


def test_git_works_where_it_is_told_to_also_from_a_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    environment = git_environment()
    assert "GIT_DIR" not in environment
    assert environment["GIT_TERMINAL_PROMPT"] == "0"


def test_a_repository_outside_of_the_account_has_no_clone_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = "arn:aws:codeconnections:us-east-1:123456789012:connection/1"
    outputs = {"RepositoryName": "owner/name", "ConnectionArn": arn}
    outside = deployment(stack_outputs=lambda stack: outputs)
    refused = _repo_url(monkeypatch, outside)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert f"in owner/name, reached by {arn}" in refused.stderr


def test_the_help_lists_what_can_be_done() -> None:
    printed = CliRunner().invoke(app, ["pipelines", "--help"]).stdout
    for name in ("list", "follow", "logs", "start", "retry", "stop", "approve", "reject"):
        assert f" {name} " in printed
