"""The one staging endpoint: one run at a time, no request lost, nothing piled up, gone in time."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start_account
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.images import put_images

UPDATES = 10
KEPT = 3


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Pipeline]:
    """A pipeline in an account of its own, with a staging endpoint."""
    with start_account(tmp_path_factory.mktemp("staged")) as running:
        deployed = deploy(running, "dev", datasets)
        put_images(deployed)
        for version in ("v1.0", "v1.1"):
            deployed.upload(datasets / version, version)
        deployed.until(lambda: len(deployed.executions()) == 2)
        yield deployed


def test_two_uploads_at_once_are_staged_one_after_the_other(staged: Pipeline) -> None:
    executions = [staged.ended(arn) for arn in staged.executions()]
    assert [each["status"] for each in executions] == ["SUCCEEDED"] * 2
    spans = sorted(_critical_section(staged, each["executionArn"]) for each in executions)
    assert spans[0][1] <= spans[1][0]
    waited = [json.loads(each["output"])["staging"]["waited_seconds"] for each in executions]
    assert min(waited) == 0
    assert max(waited) > 0
    assert any("PauseForStaging" in staged.states(each) for each in executions)


def _critical_section(pipeline: Pipeline, arn: str) -> tuple[float, float]:
    pages = pipeline.account.client("stepfunctions").get_paginator("get_execution_history")
    times: dict[str, float] = {}
    for page in pages.paginate(executionArn=arn):
        for event in page["events"]:
            for kind in ("stateEnteredEventDetails", "stateExitedEventDetails"):
                if kind in event:
                    times[f"{event[kind]['name']} {kind[5:7]}"] = event["timestamp"].timestamp()
    return times["CreateEndpointConfig En"], times["TestModel Ex"]


class Client:
    """Asks the endpoint without a pause and without retries, and remembers every answer."""

    def __init__(self, pipeline: Pipeline, row: str) -> None:
        self._client = pipeline.account.client("sagemaker-runtime")
        self._name, self._row = pipeline.outputs["StagingEndpointName"], row
        self.answers: list[tuple[float, str]] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._client.invoke_endpoint(
                    EndpointName=self._name, ContentType="text/csv", Body=self._row
                )
                body = answer["Body"].read().decode().strip()
                self.answers.append((time.monotonic(), body))
            except Exception as error:  # noqa: BLE001 - whatever a client may meet is a failure
                self.failures.append(f"{type(error).__name__}: {error}")


def test_no_request_fails_over_ten_updates_and_every_version_answers(
    staged: Pipeline, record_property: Callable[[str, object], None]
) -> None:
    row = (staged.datasets / "v1.0/validation").glob("*.csv").__next__().read_text().split("\n")[0]
    features = row.rpartition(",")[0]
    with Client(staged, features) as client:
        for number in range(UPDATES):
            arn = staged.start("v1.0", hyperparameters={"eta": f"{0.02 + number / 50:.2f}"})
            execution = staged.ended(arn)
            assert execution["status"] == "SUCCEEDED", execution.get("cause")
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(client.answers)]
    versions = {answer for _, answer in client.answers}
    measured = (
        f"{len(client.answers)} requests over {UPDATES} staging updates: {len(client.failures)} "
        f"failed, {len(versions)} versions answered, longest gap {max(gaps) * 1000:.0f} ms"
    )
    record_property("measured", measured)
    assert client.failures == []
    assert len(versions) == UPDATES + 1
    assert max(gaps) < 5


def test_the_newest_configs_and_models_are_kept_and_no_others(staged: Pipeline) -> None:
    sagemaker = staged.account.client("sagemaker")
    named = {"NameContains": f"{staged.name}-v1-", "MaxResults": 100}
    configs = [
        each["EndpointConfigName"]
        for each in sagemaker.list_endpoint_configs(**named)["EndpointConfigs"]
    ]
    models = [each["ModelName"] for each in sagemaker.list_models(**named)["Models"]]
    endpoint = sagemaker.describe_endpoint(EndpointName=staged.outputs["StagingEndpointName"])
    assert len(configs) == KEPT
    assert sorted(models) == sorted(configs)
    assert endpoint["EndpointConfigName"] in configs


def test_a_failed_first_creation_leaves_no_endpoint(staged: Pipeline) -> None:
    sagemaker, name = staged.account.client("sagemaker"), staged.outputs["StagingEndpointName"]
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    refused: dict[str, Any] = {
        "service": "sagemaker",
        "operation": "InvokeEndpoint",
        "effect": "error",
        "code": "ModelError",
        "message": "not today",
        "status": 424,
        "times": None,
    }
    with staged.account.faults(refused):
        arn = staged.start("v1.0", hyperparameters={"eta": "0.9"})
        execution = staged.ended(arn)
    assert execution["status"] == "FAILED"
    assert "CreateEndpoint" in staged.states(execution)
    listed = sagemaker.list_endpoints(NameContains=name)["Endpoints"]
    assert [e for e in listed if e["EndpointStatus"] != "Deleting"] == []


def test_an_endpoint_past_its_time_to_live_is_deleted(staged: Pipeline) -> None:
    name = staged.outputs["StagingEndpointName"]
    assert staged.ended(staged.start("v1.0", again=True))["status"] == "SUCCEEDED"
    functions = staged.account.client("lambda")
    reconciler = next(
        f
        for f in functions.list_functions()["Functions"]
        if "ReconcilerLambda" in f["FunctionName"]
    )
    variables = reconciler["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=reconciler["FunctionName"],
        Environment={"Variables": {**variables, "ENDPOINT_TIME_TO_LIVE_SECONDS": "1"}},
    )
    time.sleep(1.5)
    functions.invoke(FunctionName=reconciler["FunctionName"], Payload=b"{}")
    sagemaker = staged.account.client("sagemaker")
    staged.until(lambda: not sagemaker.list_endpoints(NameContains=name)["Endpoints"], seconds=30)
    item = staged.account.client("dynamodb").get_item(
        TableName=staged.outputs["RunTableName"], Key={"id": {"S": "staging-lock"}}
    )
    assert "Item" not in item
    execution = staged.ended(staged.start("v1.1", again=True))
    assert execution["status"] == "SUCCEEDED"
    assert "CreateEndpoint" in staged.states(execution)
