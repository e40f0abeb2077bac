"""Commands print a table for people, or JSON alone on standard output."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from typer.testing import CliRunner

from mlops import datasets, images
from mlops import runs as run_module
from mlops import versions as version_module
from mlops.cli import app
from mlops.commands import common
from mlops.commands import data as data_commands
from mlops.commands import deploy as deploy_commands
from mlops.target import Target
from tests.unit.mlops.factories import run, version

LINE = "embedded account 123456789012 us-east-1 http://127.0.0.1:1"


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    class Named(SimpleNamespace):
        def __str__(self) -> str:
            return LINE

    monkeypatch.setattr(common, "find_target", lambda: cast("Target", Named()))
    monkeypatch.setattr(run_module, "list_runs", lambda deployment, limit: [run()])
    monkeypatch.setattr(version_module, "list_versions", lambda *_: [version(1, 2.21)])
    return CliRunner()


@pytest.mark.parametrize(
    ("command", "cell"), [("runs", "v1-0-2d3f5a1f"), ("versions", "PendingManualApproval")]
)
def test_the_target_is_in_the_first_line(cli: CliRunner, command: str, cell: str) -> None:
    result = cli.invoke(app, [command, "list"])
    assert result.stdout.splitlines()[0] == LINE
    assert cell in result.stdout


@pytest.mark.parametrize("command", ["runs", "versions"])
def test_json_is_alone_on_standard_output(cli: CliRunner, command: str) -> None:
    result = cli.invoke(app, [command, "list", "--json"])
    (document,) = json.loads(result.stdout)
    assert document["dataset"] == "v1.0"
    assert result.stderr == f"{LINE}\n"


def test_an_empty_list_says_what_to_do(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "list_runs", lambda deployment, limit: [])
    monkeypatch.setattr(version_module, "list_versions", lambda *_: [])
    runs = cli.invoke(app, ["runs", "list", "--env", "prod"]).stdout
    assert "`.venv/bin/mlops data publish FOLDER --env prod`" in runs
    versions = cli.invoke(app, ["versions", "list", "--env", "prod"]).stdout
    assert "`.venv/bin/mlops runs list --env prod`" in versions


def test_a_stack_that_failed_is_deployed_again_after_a_question(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdk = SimpleNamespace(
        show=lambda command, longest_line: None,
        diff=lambda *stacks: list(stacks),
        template=lambda stack: {"Resources": {}},
    )
    target = SimpleNamespace(
        stack_status=lambda stack: "ROLLBACK_COMPLETE",
        stack_outputs=lambda stack: {},
        cloudformation=SimpleNamespace(get_template=lambda **request: {"TemplateBody": {}}),
    )
    monkeypatch.setattr(common, "find_target", lambda: cast("Target", target))
    monkeypatch.setattr(deploy_commands, "_synthesized", lambda *_: cdk)
    monkeypatch.setattr(deploy_commands, "bootstrapped", lambda deployment: True)
    result = cli.invoke(app, ["deploy"], input="n\n")
    assert result.exit_code == 1
    assert "-storage is ROLLBACK_COMPLETE: it is deployed again" in result.stdout
    assert "Deploy to" in result.stdout
    assert "nothing to ask" not in result.stdout


def test_help_lists_every_group() -> None:
    printed = CliRunner().invoke(app, ["--help"]).stdout
    names = ("doctor", "demo", "account", "deploy", "destroy", "data", "pipelines", "runs")
    for name in (*names, "repo-url", "base-image", "versions"):
        assert f" {name} " in printed


def test_publishing_a_bad_name_uploads_nothing(cli: CliRunner, tmp_path: Path) -> None:
    result = cli.invoke(app, ["data", "publish", str(tmp_path), "--version", "runs"])
    assert result.exit_code == 1
    assert "and not 'runs'" in result.stderr


def test_publishing_before_the_first_image_waits_for_no_run(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = SimpleNamespace(image_parameter="/example/dev/image")
    monkeypatch.setattr(data_commands, "connect", lambda env, output: known)
    asked: list[str] = []
    monkeypatch.setattr(images, "images_in_use", lambda deployment: asked.append("image"))
    dataset = SimpleNamespace(version="v1.0")
    monkeypatch.setattr(datasets, "read_data_set", lambda folder, version: dataset)
    monkeypatch.setattr(datasets, "publish", lambda *_: asked.append("publish"))
    published = cli.invoke(app, ["data", "publish", "v1.0", "--follow"])
    assert published.exit_code == 0
    assert "v1.0 waits: /example/dev/image names no image yet" in published.stdout
    # an image that is built meanwhile may come too late for the upload, which starts no run then
    assert asked == ["image", "publish"]
