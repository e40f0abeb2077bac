"""Each role may do what it does, what AWS's documentation says it needs to, and nothing else."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.account.git_client import GitClient
from tests.conftest import start_account
from tests.e2e.bad_commits import BAD_COMMITS
from tests.e2e.code_pipeline import CodePipeline, deploy_model_code
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.rights import Rights, documented, rights_of, without
from tests.e2e.stops import ATTEMPTS, run_in, stop

Fault = Mapping[str, str]
VERSIONS = ("v1.0", "v1.0-retrain", "v1.1")
REFUSED = {"service": "sagemaker", "effect": "error"}
UNTRAINED = {
    **{"service": "states", "operation": "StartExecution", "effect": "error"},
    **{"code": "StateMachineDeleting", "status": 400, "message": "not now"},
}
UNSTOPPED = (("0.013", "TrainModel", "Training"), ("0.014", "EvaluateModel", "Processing"))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Pipeline]:
    """Commits, good and bad; uploads, one without a manifest; runs that fail or are stopped."""
    with start_account(tmp_path_factory.mktemp("story")) as running:
        training = deploy(running, "dev", datasets)
        with running.faults(UNTRAINED):
            pipeline = deploy_model_code(training)
            code = CodePipeline(pipeline, GitClient(running, tmp_path_factory.mktemp("git")))
            _commit(code)
        for version in VERSIONS:
            assert pipeline.run(datasets / version, version)["status"] == "SUCCEEDED"
        pipeline.mlops("versions", "list")
        pipeline.mlops("predict", "M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15")
        _upload_without_manifest(pipeline, "v2.0")
        _stop(pipeline, "0.011", "ValidateDataset", "Processing")
        _stop(pipeline, "0.012", "TrainModel", "Training")
        # Step Functions does not get through: RunEnded stops the job
        for eta, state, job in UNSTOPPED:
            _stop(pipeline, eta, state, job, {**REFUSED, "operation": f"Stop{job}Job"})
        failing = pipeline.start("v1.0", hyperparameters={"eta": "7"})
        assert pipeline.ended(failing)["error"] == "HyperparametersInvalid"
        late = _stop(pipeline, "0.2", "PauseBeforeNextLook")
        pipeline.mlops("runs", "retry", late.rpartition(":")[2])
        pipeline.until(lambda: pipeline.state_of(pipeline.executions()[0]) == "RunSucceeded")
        _look_around(pipeline)
        yield pipeline


def _commit(code: CodePipeline) -> None:
    """Retry the stage that the first execution fails in, and push a bad commit."""
    first = code.executions()[0]["pipelineExecutionId"]
    assert code.ended(first) == "Failed"
    assert code.attempts(first)[-1].stage == "Train"
    code.pipeline.mlops("pipelines", "retry", first)
    code.pipeline.until(lambda: code.tried(first, "Train") == 2)
    assert code.ended(first) == "Succeeded"
    code.clone_repository()
    bad = code.push("A bad one", BAD_COMMITS["a syntax error"].files)
    assert code.ended(code.started(bad)) == "Failed"


def _upload_without_manifest(pipeline: Pipeline, version: str) -> None:
    before, s3 = len(pipeline.executions()), pipeline.account.client("s3")
    for file in sorted((pipeline.datasets / "v1.0").rglob("*.csv")):
        key = f"{version}/{file.relative_to(pipeline.datasets / 'v1.0').as_posix()}"
        s3.upload_file(str(file), pipeline.outputs["BucketName"], key)
    pipeline.until(lambda: len(pipeline.executions()) > before)
    assert pipeline.ended(pipeline.executions()[0])["status"] == "SUCCEEDED"


def _stop(pipeline: Pipeline, eta: str, state: str, job: str = "", *refused: Fault) -> str:
    """Start a run, stop it while it waits in a state, and its job with it; return its ARN."""
    for attempt in ATTEMPTS:
        with run_in(pipeline, state, eta, attempt, *refused) as arn:
            if arn and stop(pipeline, arn, state) and (not job or _is_stopped(pipeline, arn, job)):
                return arn
    pytest.fail(f"no run was stopped in {state}")


def _is_stopped(pipeline: Pipeline, arn: str, kind: str) -> bool:
    """Wait for the end of the job that an execution began last; tell whether it was stopped."""
    details = "taskScheduledEventDetails"
    asked = next(e[details] for e in pipeline.newest_events(arn) if details in e)
    job = json.loads(asked["parameters"]).get(f"{kind}JobName")
    if job is None:
        return False  # it is a state further already
    name = {f"{kind}JobName": job}
    describe = getattr(pipeline.account.client("sagemaker"), f"describe_{kind.lower()}_job")
    pipeline.until(lambda: describe(**name)[f"{kind}JobStatus"] not in ("InProgress", "Stopping"))
    return bool(describe(**name)[f"{kind}JobStatus"] == "Stopped")


def _look_around(pipeline: Pipeline) -> None:
    client = pipeline.account.client("lambda")
    (reconciler,) = (
        each["FunctionName"]
        for each in client.list_functions()["Functions"]
        if "Reconciler" in each["FunctionName"]
    )
    assert "FunctionError" not in client.invoke(FunctionName=reconciler, Payload=b"{}")


@pytest.fixture(scope="module")
def rights(story: Pipeline) -> Rights:
    return rights_of(story)


def test_nothing_was_denied(rights: Rights) -> None:
    assert rights.accesses
    assert rights.denied == []


def test_every_right_is_exercised_or_documented_and_not_both(rights: Rights) -> None:
    unused, (never, sometimes) = rights.granted - rights.used, documented()
    assert sorted(unused - never - sometimes) == []
    assert sorted(never - unused) == []
    assert sorted(sometimes - rights.granted) == []


def test_without_any_one_exercised_statement_something_is_denied(rights: Rights) -> None:
    assert len(rights.exercised) > 50
    assert [statement for statement in rights.exercised if not rights.needed(statement)] == []


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("StateMachineRole", "sagemaker:CreateProcessingJob", ":processing-job/"),
        ("TrainingJobRole", "s3:GetObject", "/v1.0/train/"),
    ],
)
def test_a_run_without_a_right_fails_and_names_action_resource_and_role(
    story: Pipeline, rights: Rights, role: str, action: str, resource: str
) -> None:
    run = {"hyperparameters": {"eta": "0.31"}, "again": True}
    with without(story, role, action) as name:
        failed = story.ended(story.start("v1.0", **run))
    assert failed["status"] == "FAILED"
    found = f"assumed-role/{name}/"
    assert all(part in failed["cause"] for part in (action, resource, found)), failed["cause"]
    assert story.ended(story.start("v1.0", **run))["status"] == "SUCCEEDED"
