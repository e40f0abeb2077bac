"""A commit on its way to production, or not: tested, built, scanned and trained."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.account.git_client import GitClient
from tests.conftest import start_account
from tests.e2e.bad_commits import BAD_COMMITS, NO_TESTS, BadCommit, other_model, raising
from tests.e2e.code_pipeline import CodePipeline, deploy_model_code
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.observed import subscribe

UPLOADED_BEFORE = ("v1.0", "v1.0-retrain")
STAGES = ("Source", "Test", "Build", "Train")
QUICK = {"buildspec-test.yml": NO_TESTS}
"""What a commit has whose tests are not what the test is about."""
CRITICAL = {
    "id": "CVE-2026-0001",
    "severity": "CRITICAL",
    "package": "numpy",
    "version": "*",
    "fixed_in": "99.0",
}
ALLOWED = '[[allowed]]\nid = "CVE-2026-0001"\nuntil = {until}\nreason = "never called"\n'


REFUSED = {
    "effect": "error",
    "status": 400,
    "code": "AccessDeniedException",
    "message": "not today",
}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[CodePipeline]:
    """A first deployment into an empty account, in which data is uploaded before the code."""
    with start_account(tmp_path_factory.mktemp("code")) as running:
        training = deploy(running, "dev", datasets)
        subscribe(training)
        for version in UPLOADED_BEFORE:
            training.upload(datasets / version, version)
        training.until(lambda: waiting(training) == set(UPLOADED_BEFORE))
        assert training.executions() == []
        deployed = deploy_model_code(training)
        code = CodePipeline(deployed, GitClient(running, tmp_path_factory.mktemp("git")))
        (first,) = code.executions()
        assert code.ended(first["pipelineExecutionId"]) == "Succeeded"
        code.clone_repository()
        yield code


@pytest.fixture(scope="module")
def seed(code: CodePipeline) -> str:
    """The commit that the deployment made of the folder `model_code`."""
    return code.git.run("rev-list", "--max-parents=0", "HEAD", at="clone").stdout.strip()


def waiting(pipeline: Pipeline) -> set[str]:
    """Return the uploads of which StartRun has said that they wait for an image."""
    logs = pipeline.account.client("logs")
    groups = logs.describe_log_groups()["logGroups"]
    name = next(each["logGroupName"] for each in groups if "StartRun" in each["logGroupName"])
    said = logs.filter_log_events(logGroupName=name)["events"]
    lines = [json.loads(each["message"]) for each in said if "WaitsForImage" in each["message"]]
    return {each["dataset"] for each in lines if "dataset" in each}


@contextmanager
def known(code: CodePipeline, *advisories: dict[str, str]) -> Iterator[None]:
    """Let scans know what is wrong with packages."""
    file = code.pipeline.account.log.parent / "state" / "advisories.json"
    file.write_text(json.dumps(advisories))
    try:
        yield
    finally:
        file.unlink()


def execution_input(pipeline: Pipeline, arn: str) -> dict[str, Any]:
    execution = pipeline.account.client("stepfunctions").describe_execution(executionArn=arn)
    return dict(json.loads(execution["input"]))


def trained(code: CodePipeline) -> set[str]:
    """Return the data set versions that have a model version."""
    return {each["dataset_version"] for each in code.versions()}


def test_the_first_execution_builds_an_image_and_trains_the_newest_upload(
    code: CodePipeline, seed: str
) -> None:
    first = code.executions()[-1]
    tried = code.attempts(first["pipelineExecutionId"])
    assert [(each.stage, each.status) for each in tried] == [(s, "Succeeded") for s in STAGES]
    assert code.tags() == {seed, f"{seed}-processing"}
    image, built = code.in_use(), code.outputs_of(first["pipelineExecutionId"], "Build")
    assert image["commit"] == built["IMAGE_TAG"] == seed
    assert image["training"].endswith(f"@{built['IMAGE_DIGEST']}")
    assert image["processing"].endswith(f"@{built['PROCESSING_DIGEST']}")
    version = code.versions()[0]
    assert (version["dataset_version"], version["commit"]) == (UPLOADED_BEFORE[-1], seed)
    (container,) = code.pipeline.versions()[0]["InferenceSpecification"]["Containers"]
    assert container["Image"] == image["training"]


@pytest.mark.parametrize("kind", BAD_COMMITS)
def test_a_bad_commit_fails_in_its_stage_and_the_last_good_image_stays(
    code: CodePipeline, seed: str, kind: str
) -> None:
    bad = BAD_COMMITS[kind]
    before = (code.tags(), code.in_use())
    commit = code.push(kind, bad.files, seed)
    execution = code.started(commit)
    assert code.ended(execution) == "Failed"
    last = code.attempts(execution)[-1]
    assert (last.stage, last.status) == (bad.stage, "Failed")
    assert (code.tags(), code.in_use()) == before
    assert code.versions(commit) == []
    _check_what_is_told(code, commit, bad)


def _check_what_is_told(code: CodePipeline, commit: str, bad: BadCommit) -> None:
    """The pipeline's state, `mlops` and the notification agree, each in one line."""
    error = code.state_error(bad.stage)
    assert error.startswith("Build terminated with state: FAILED. Phase: ")
    assert "\n" not in error
    followed = code.mlops("pipelines", "follow", "--commit", commit)
    assert followed.returncode == 1
    (said,) = followed.stderr.splitlines()
    assert f"of commit {commit[:7]} failed in stage {bad.stage} (" in said
    code.pipeline.until(lambda: code.told_of(commit))
    (notification,) = code.told_of(commit)
    assert f"stage {bad.stage} failed" in notification
    for text in (followed.stdout + followed.stderr, notification):
        assert any(all(part in line for part in bad.cause) for line in text.splitlines()), text


def test_the_reconciler_has_trained_what_else_was_uploaded_before_the_first_image(
    code: CodePipeline,
) -> None:
    """Two minutes after the upload it asks again, and is late by its own interval.

    Waited for here, so that in the tests that follow only commits start runs.
    """
    other = UPLOADED_BEFORE[0]
    code.pipeline.until(lambda: other in trained(code), 300)
    inputs = [execution_input(code.pipeline, arn) for arn in code.pipeline.executions()]
    (trigger,) = {each["trigger"] for each in inputs if each["dataset"] == other}
    assert trigger == "reconciler"


def test_commits_that_come_while_one_is_tested_are_superseded_by_the_last_of_them(
    code: CodePipeline, seed: str
) -> None:
    first = code.push("The first of three", other_model("1"), seed)
    execution = code.started(first)
    code.pipeline.until(lambda: code.is_in(execution, "Test"))
    second = code.push("The second of three", {**QUICK, **other_model("2")}, seed)
    superseded = code.started(second)
    third = code.push("The third of three", {**QUICK, **other_model("3")}, seed)
    assert code.ended(code.started(third)) == "Succeeded"
    assert (code.status(execution), code.status(superseded)) == ("Succeeded", "Superseded")
    assert code.in_use()["commit"] == third
    assert code.versions(third)
    assert {first, third} < code.tags()
    assert second not in code.tags()
    followed = code.mlops("pipelines", "follow", superseded)
    assert followed.returncode == 1
    assert f"was superseded by {code.started(third)[:8]} of commit {third[:7]}" in followed.stderr


def test_a_push_while_training_runs_is_built_meanwhile_and_trained_next(
    code: CodePipeline, seed: str
) -> None:
    former = code.push("Trains", {**QUICK, **other_model("former")}, seed)
    training = code.started(former)
    code.pipeline.until(lambda: code.is_in(training, "Train"))
    latter = code.push("Comes meanwhile", {**QUICK, **other_model("latter")}, seed)
    following = code.started(latter)
    assert [code.ended(each) for each in (training, following)] == ["Succeeded"] * 2
    trained = [each["commit"] for each in code.versions(former, latter)]
    assert trained == [former, latter]
    assert code.in_use()["commit"] == latter


def test_retried_stages_go_on_with_the_image_that_was_pushed(code: CodePipeline, seed: str) -> None:
    announce = {"service": "ssm", "operation": "PutParameter"}
    train = {"service": "states", "operation": "StartExecution", "contains": "code"}
    in_use = code.in_use()
    with code.pipeline.account.faults({**announce, **REFUSED}, {**train, **REFUSED}):
        commit = code.push("Is refused twice", {**QUICK, **other_model("retried")}, seed)
        execution = code.started(commit)
        assert code.ended(execution) == "Failed"
        assert code.in_use() == in_use
        pushed = code.digest(commit)
        assert code.mlops("pipelines", "retry", execution).returncode == 0
        code.pipeline.until(lambda: code.tried(execution, "Train"))
        assert code.ended(execution) == "Failed"
    assert code.outputs_of(execution, "Build")["IMAGE_DIGEST"] == pushed
    assert code.in_use()["training"].endswith(pushed)
    assert code.mlops("pipelines", "retry", execution).returncode == 0
    code.pipeline.until(lambda: code.tried(execution, "Train") == 2)
    assert code.ended(execution) == "Succeeded"
    assert code.versions(commit)
    log = code.mlops("pipelines", "logs", execution, "--stage", "Build").stdout
    assert f"{commit} is in the repository already; it is not built again" in log
    build, start = code.told_of(commit)
    assert "stage Build failed" in build
    assert "not released: " in build
    assert "stage Train failed" in start
    assert "not today" in start


def test_of_a_run_that_fails_the_run_alone_tells(code: CodePipeline, seed: str) -> None:
    files = raising("the learning rate fell off the bench")
    commit = code.push("Cannot be trained", {**QUICK, **files}, seed)
    execution = code.started(commit)
    assert code.ended(execution) == "Failed"
    assert "the learning rate fell off the bench" in code.state_error("Train")
    assert code.mlops("pipelines", "follow", execution).returncode == 1
    code.pipeline.until(lambda: code.told("the learning rate fell off the bench"))
    (notification,) = code.told(commit)
    assert notification.startswith("Run ")


def test_a_critical_finding_stops_the_build_unless_it_is_allowed_today(
    code: CodePipeline, seed: str
) -> None:
    today, day, in_use = datetime.now(UTC).date(), timedelta(days=1), code.in_use()
    changed = {**QUICK, **other_model("scanned")}
    cases = {"": "critical finding CVE-2026-0001 in numpy", str(today - day): "ended on"}
    with known(code, CRITICAL):
        for until, cause in cases.items():
            allowed = {"scan-allowed.toml": ALLOWED.format(until=until) if until else ""}
            commit = code.push(f"Allowed until {until}", {**changed, **allowed}, seed)
            execution = code.started(commit)
            assert code.ended(execution) == "Failed"
            assert code.attempts(execution)[-1].stage == "Build"
            code.pipeline.until(partial(code.told_of, commit))
            (notification,) = code.told_of(commit)
            assert cause in notification
            assert code.in_use() == in_use
        allowed = {"scan-allowed.toml": ALLOWED.format(until=today + day)}
        commit = code.push("Allowed until tomorrow", {**changed, **allowed}, seed)
        assert code.ended(code.started(commit)) == "Succeeded"
    assert code.in_use()["commit"] == commit


def test_a_push_that_would_drop_commits_is_refused(code: CodePipeline) -> None:
    executions = len(code.executions())
    code.git.clone(code.pipeline.outputs["CloneUrlHttp"], "other")
    code.git.run("reset", "--quiet", "--hard", "HEAD~1", at="other")
    code.git.commit("Drops a commit", "other", README__md="Dropped\n")
    pushed = code.git.run("push", at="other", check=False)
    assert pushed.returncode == 1
    assert "non-fast-forward" in pushed.stderr
    assert len(code.executions()) == executions


@pytest.mark.parametrize("key_id", ["AKIANOBODYKNOWSTHIS0", ""])  # pragma: allowlist secret
def test_who_has_no_rights_neither_clones_nor_pushes(code: CodePipeline, key_id: str) -> None:
    """A key that the account does not know, and one whose user has no policy."""
    account = code.pipeline.account
    foreign = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": "c2VjcmV0"}
    if not key_id:
        account.client("iam").create_user(UserName="nobody")
        key = account.client("iam").create_access_key(UserName="nobody")["AccessKey"]
        foreign = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    git = dataclasses.replace(code.git, credentials=foreign)
    url = code.pipeline.outputs["CloneUrlHttp"]
    for refused in (
        git.run("clone", "--quiet", url, "foreign", check=False),
        git.run("push", url, "HEAD:main", at="clone", check=False),
    ):
        assert refused.returncode == 128
        assert "403" in refused.stderr


def test_each_bad_commit_was_told_of_once(code: CodePipeline) -> None:
    """The last test: nothing has come later either."""
    for kind in BAD_COMMITS:
        assert len(code.told(f": {kind}\n")) == 1, kind
