"""The command line on a deployed pipeline: start, look, stop, retry, reproduce, price, destroy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start_account
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.images import put_images

REFUSED = {
    "service": "sagemaker",
    "operation": "UpdateEndpoint",
    "effect": "error",
    "code": "ResourceInUse",
    "message": "not today",
    "status": 400,
    "times": None,
}


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Pipeline]:
    """A pipeline in an account of its own, with one good run."""
    with start_account(tmp_path_factory.mktemp("operated")) as running:
        deployed = deploy(running, "dev", datasets)
        put_images(deployed)
        deployed.mlops("data", "publish", str(datasets / "v1.0"), "--follow")
        yield deployed


def newest(pipeline: Pipeline) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(pipeline.mlops("runs", "list", "--json"))[0]
    return run


def shown(pipeline: Pipeline, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(pipeline.mlops("runs", "show", name, "--json"))
    return document


def refused(pipeline: Pipeline, *arguments: str) -> str:
    done = pipeline.account.run("mlops", *arguments, "--env", pipeline.env, check=False)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_a_run_is_started_without_an_upload_once_unless_asked_again(operated: Pipeline) -> None:
    versions = len(operated.versions())
    operated.mlops("runs", "start", "--dataset", "v1.0", "--follow")
    assert len(operated.versions()) == versions
    operated.mlops("runs", "start", "--dataset", "v1.0", "--set", "eta=0.07", "--follow")
    assert len(operated.versions()) == versions + 1
    operated.mlops("runs", "start", "--dataset", "v1.0", "--again", "--follow")
    assert len(operated.versions()) == versions + 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "v9"), "v9"),
        (("--dataset", "../v1.0"), "../v1.0"),
        (("--dataset", "v1.0", "--set", "eta"), "eta"),
    ],
)
def test_a_start_that_cannot_work_starts_nothing(
    operated: Pipeline, arguments: tuple[str, ...], said: str
) -> None:
    before = operated.executions()
    assert said in refused(operated, "runs", "start", *arguments)
    assert operated.executions() == before


def test_a_failed_run_is_retried_as_the_next_attempt_and_registers_one_version(
    operated: Pipeline,
) -> None:
    versions = len(operated.versions())
    with operated.account.faults(REFUSED):
        arn = operated.start("v1.0", hyperparameters={"eta": "0.08"})
        assert operated.ended(arn)["status"] == "FAILED"
    name = arn.rpartition(":")[2]
    document = shown(operated, name)
    assert document["error"] == "SageMaker.ResourceInUseException"
    states = [each["name"] for each in document["states"]]
    assert states[0] == "PrepareRun"
    assert states[-1] == "RunFailed"

    operated.mlops("runs", "retry", name, "--follow")

    added = operated.versions()[versions:]
    statuses = [each["ModelApprovalStatus"] for each in added]
    assert statuses == ["Rejected", "PendingManualApproval"]
    keys = {each["CustomerMetadataProperties"]["run_key"] for each in added}
    names = [each["CustomerMetadataProperties"]["run_name"] for each in added]
    assert len(keys) == 1
    assert [each.rpartition("-")[2] for each in names] == ["1", "2"]
    assert "SUCCEEDED" in refused(operated, "runs", "retry", newest(operated)["name"])


def test_a_running_run_is_stopped_and_its_job_with_it(operated: Pipeline) -> None:
    arn = operated.start("v1.0", hyperparameters={"num_round": "10000"})
    operated.until(lambda: operated.state_of(arn) == "TrainModel")
    name = arn.rpartition(":")[2]
    operated.mlops("runs", "stop", name, "--yes", "--reason", "wrong data")
    assert operated.ended(arn)["cause"] == "wrong data"
    jobs = operated.account.client("sagemaker").list_training_jobs(StatusEquals="InProgress")
    assert jobs["TrainingJobSummaries"] == []


def test_a_run_s_log_is_that_of_its_job(operated: Pipeline) -> None:
    good = next(
        run
        for run in json.loads(operated.mlops("runs", "list", "--json"))
        if run["outcome"] == "New"
    )
    assert "validation-rmse" in operated.mlops(
        "runs", "logs", good["name"], "--state", "TrainModel"
    )
    assert "Run prepared" in operated.mlops("runs", "logs", good["name"], "--state", "PrepareRun")


def test_a_run_s_model_is_made_again_byte_for_byte(operated: Pipeline, tmp_path: Path) -> None:
    version = operated.versions()[-1]["CustomerMetadataProperties"]
    name = version["execution_arn"].rpartition(":")[2]
    said = operated.mlops("runs", "reproduce", name, "--out", str(tmp_path / "again"))
    assert "equal" in said
    assert version["model_sha256"] in said


def test_a_run_and_an_idle_month_have_a_price(operated: Pipeline) -> None:
    version = operated.versions()[-1]["CustomerMetadataProperties"]
    name = version["execution_arn"].rpartition(":")[2]
    assert "USD" in operated.mlops("cost", "--run", name)
    assert "list prices" in operated.mlops("cost", "--month")


def test_what_destroy_plans_is_what_it_does_after_a_failed_run_too(operated: Pipeline) -> None:
    """The last test of this pipeline: nothing of it is left."""
    with operated.account.faults(REFUSED):
        assert operated.ended(operated.start("v1.0", hyperparameters={"eta": "0.09"}))
    before = operated.account.client("cloudformation").describe_stacks()["Stacks"]
    plan = json.loads(operated.mlops("destroy", "--plan", "--json"))
    assert {"goes", "stays"} <= plan.keys()
    assert operated.account.client("cloudformation").describe_stacks()["Stacks"] == before

    operated.mlops("destroy", "--yes")

    left = resources(operated)
    # SageMaker's own log groups stay, as the plan says
    assert [each for each in left if operated.name in each and "/aws/sagemaker/" not in each] == []


def resources(pipeline: Pipeline) -> list[str]:
    """List what is in the account, by what its services list."""
    client = pipeline.account.client
    sagemaker = client("sagemaker")
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    listed = {
        "stacks": [each["StackName"] for each in stacks],
        "buckets": [each["Name"] for each in client("s3").list_buckets()["Buckets"]],
        "repositories": [
            each["repositoryName"] for each in client("ecr").describe_repositories()["repositories"]
        ],
        "endpoints": [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]],
        "configs": [
            each["EndpointConfigName"]
            for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ],
        "models": [each["ModelName"] for each in sagemaker.list_models()["Models"]],
        "groups": [
            each["ModelPackageGroupName"]
            for each in sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        ],
        "functions": [
            each["FunctionName"] for each in client("lambda").list_functions()["Functions"]
        ],
        "machines": [
            each["name"] for each in client("stepfunctions").list_state_machines()["stateMachines"]
        ],
        "rules": [each["Name"] for each in client("events").list_rules()["Rules"]],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "topics": [each["TopicArn"] for each in client("sns").list_topics()["Topics"]],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "schedules": [each["Name"] for each in client("scheduler").list_schedules()["Schedules"]],
        "schedule groups": [
            each["Name"] for each in client("scheduler").list_schedule_groups()["ScheduleGroups"]
        ],
        "roles": [each["RoleName"] for each in client("iam").list_roles()["Roles"]],
        "log groups": [
            each["logGroupName"] for each in client("logs").describe_log_groups()["logGroups"]
        ],
        "alarms": [
            each["AlarmName"] for each in client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "dashboards": [
            each["DashboardName"]
            for each in client("cloudwatch").list_dashboards()["DashboardEntries"]
        ],
    }
    return [f"{kind}: {name}" for kind, names in listed.items() for name in names]
