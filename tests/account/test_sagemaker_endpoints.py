"""Models and endpoints through boto3: lifecycle, updates under load, failures, invocations."""

import os
import signal
import subprocess
import threading
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.account.roles import create_role
from tests.account.sagemaker_fixture import (
    PROGRAM,
    ROLE,
    DirectLab,
    Lab,
    direct,
    lab,
    layer,
    push_image,
    until,
)
from tests.conftest import start_account

__all__ = ["direct", "lab"]  # fixtures

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def _create(lab: Lab, name: str, answer: str = "1") -> dict[str, Any]:
    config = lab.config(f"{name}-1", answer)
    lab.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    return lab.endpoint(name, "InService", "Failed")


def _heard(answers: list[str], version: str) -> None:
    until(lambda: True if version in answers else None)


def _without_retries(lab: Lab) -> Any:
    """Return a client that does not make a lost request again."""
    session: Any = boto3.session.Session()
    return session.client(
        "sagemaker-runtime",
        endpoint_url=lab.account.url,
        region_name="us-east-1",
        aws_access_key_id=lab.account.contact["access_key_id"],
        aws_secret_access_key=lab.account.contact["secret_access_key"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def _answer(lab: Lab, name: str, body: str = "row") -> str:
    answer: bytes = lab.invoke(name, body)["Body"].read()
    return answer.decode()


def _refused(lab: Lab, service: str, operation: str, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        getattr(lab.client(service), operation)(**params)
    return dict(refused.value.response)


def _gone(lab: Lab, name: str) -> Any:
    try:
        lab.client("sagemaker").describe_endpoint(EndpointName=name)
    except ClientError:
        return True
    return None


def test_from_creation_to_deletion(lab: Lab) -> None:
    endpoint = _create(lab, "whole", "42")
    assert endpoint["EndpointStatus"] == "InService"
    (variant,) = endpoint["ProductionVariants"]
    (image,) = variant["DeployedImages"]
    assert (image["SpecifiedImage"], image["ResolvedImage"]) == (lab.image, lab.image)
    answer = lab.invoke("whole", "row", Accept="text/csv", CustomAttributes="trace=1")
    assert answer["Body"].read() == b"42"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/csv", "AllTraffic")
    assert "x-internal" not in answer["ResponseMetadata"]["HTTPHeaders"]
    lab.client("sagemaker").delete_endpoint(EndpointName="whole")
    until(lambda: _gone(lab, "whole"))
    assert not _processes("mark-of-whole-1")
    response = _refused(lab, "sagemaker", "describe_endpoint", EndpointName="whole")
    assert response["Error"]["Message"] == f'Could not find endpoint "{ARN}:endpoint/whole".'


def test_events_and_logs(direct: DirectLab) -> None:
    name = f"events-{direct.plane.isolation}"
    _create(direct, name)
    until(lambda: True if len(direct.emitted) == 2 else None)
    detail_type, arn, detail = direct.emitted[1]
    assert detail_type == "SageMaker Endpoint State Change"
    assert [e[2]["EndpointStatus"] for e in direct.emitted] == ["CREATING", "IN_SERVICE"]
    assert arn == f"{ARN}:endpoint/{name}"
    assert detail["ProductionVariants"] == [{"DesiredWeight": 1.0, "DesiredInstanceCount": 1.0}]
    assert detail["FailureReason"] is None
    status, _, body = direct.plane.invoke_endpoint(name, {}, b"row")
    assert (status, body) == (200, b"1")
    lines = until(lambda: direct.log(f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/i-") or None)
    assert '"GET /ping HTTP/1.1" 200' in lines[0]


def test_the_model_is_read_only(lab: Lab) -> None:
    _create(lab, "read-only")
    with pytest.raises(ClientError):
        _answer(lab, "read-only", "write")
    assert _answer(lab, "read-only") == "1"


def test_an_update_loses_no_request(lab: Lab) -> None:
    _create(lab, "updated", "old")
    config = lab.config("updated-2", "new")
    answers: list[str] = []
    slow: list[str] = []
    done = threading.Event()
    once = _without_retries(lab)

    def answer(body: str) -> str:
        content: bytes = once.invoke_endpoint(EndpointName="updated", Body=body)["Body"].read()
        return content.decode()

    def ask() -> None:
        while not done.is_set():
            answers.append(answer("row"))

    def ask_slowly() -> None:
        slow.append(answer("sleep 1.5"))

    clients = [threading.Thread(target=work) for work in (ask, ask, ask_slowly)]
    for client in clients:
        client.start()
    until(lambda: len(answers) > 5 or None)
    lab.client("sagemaker").update_endpoint(EndpointName="updated", EndpointConfigName=config)
    response = _refused(
        lab, "sagemaker", "update_endpoint", EndpointName="updated", EndpointConfigName=config
    )
    assert response["Error"]["Message"] == (
        f'Cannot update in-progress endpoint "{ARN}:endpoint/updated".'
    )
    assert lab.endpoint("updated", "InService")["EndpointConfigName"] == "updated-2"
    until(lambda: True if answers[-3:] == ["new"] * 3 else None)
    done.set()
    for client in clients:
        client.join(20)
    assert set(answers) == {"old", "new"}
    assert slow == ["old"]
    until(lambda: True if not _processes("mark-of-updated-1") else None)


def test_many_updates_lose_no_request(lab: Lab) -> None:
    versions = [f"v{number}" for number in range(6)]
    configs = [lab.config(f"served-{version}", version) for version in versions]
    sagemaker = lab.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="served", EndpointConfigName=configs[0])
    lab.endpoint("served", "InService")
    answers: list[str] = []
    failures: list[Exception] = []
    done = threading.Event()

    def ask(once: Any) -> None:
        while not done.is_set():
            try:
                body = once.invoke_endpoint(EndpointName="served", Body=b"row")["Body"].read()
            except (ClientError, BotoCoreError) as error:
                failures.append(error)
            else:
                answers.append(body.decode())

    clients = [threading.Thread(target=ask, args=(_without_retries(lab),)) for _ in range(4)]
    for client in clients:
        client.start()
    for former, config in pairwise(configs):
        sagemaker.update_endpoint(EndpointName="served", EndpointConfigName=config)
        during = sagemaker.describe_endpoint(EndpointName="served")
        assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", former)
        assert lab.endpoint("served", "InService", "Failed")["EndpointConfigName"] == config
        _heard(answers, config.removeprefix("served-"))
    done.set()
    for client in clients:
        client.join(20)
    assert failures == []
    assert set(answers) == set(versions)


def test_an_endpoint_in_progress_is_left_alone(lab: Lab) -> None:
    sagemaker, config = lab.client("sagemaker"), lab.config("in-progress", "1")
    named = {"EndpointName": "in-progress"}
    sagemaker.create_endpoint(**named, EndpointConfigName=config)
    for operation, params in (("delete_endpoint", {}), ("update_endpoint", {"Config": config})):
        given = {f"Endpoint{name}Name": value for name, value in params.items()}
        response = _refused(lab, "sagemaker", operation, **named, **given)
        assert response["Error"]["Code"] == "ValidationException"
        assert response["Error"]["Message"].startswith("Cannot update in-progress endpoint")
    lab.endpoint("in-progress", "InService")
    sagemaker.delete_endpoint_config(EndpointConfigName=config)  # as AWS lets it happen
    sagemaker.delete_model(ModelName=config)
    assert _answer(lab, "in-progress") == "1"


def test_resources_are_listed_by_name_status_and_time(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    _create(lab, "filtered")
    lab.config("filtered-2", "1")
    configs = sagemaker.list_endpoint_configs(NameContains="FILTERED", SortOrder="Ascending")
    names = [config["EndpointConfigName"] for config in configs["EndpointConfigs"]]
    assert names == ["filtered-1", "filtered-2"]
    second = configs["EndpointConfigs"][1]["CreationTime"]
    newer = sagemaker.list_models(NameContains="filtered", CreationTimeAfter=second)["Models"]
    assert newer == []
    older = sagemaker.list_models(NameContains="filtered", CreationTimeBefore=second)["Models"]
    assert {model["ModelName"] for model in older} == {"filtered-1", "filtered-2"}
    for status, expected in (("InService", 1), ("Failed", 0)):
        listed = sagemaker.list_endpoints(NameContains="filtered", StatusEquals=status)
        assert len(listed["Endpoints"]) == expected


def test_a_failed_update_goes_back(lab: Lab) -> None:
    _create(lab, "rolled-back", "old")
    config = lab.config("rolled-back-2", "broken")
    lab.client("sagemaker").update_endpoint(EndpointName="rolled-back", EndpointConfigName=config)
    endpoint = lab.endpoint("rolled-back", "InService", "Failed")
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == "rolled-back-1"
    assert "did not pass the ping health check" in endpoint["FailureReason"]
    assert _answer(lab, "rolled-back") == "old"
    lab.client("sagemaker").update_endpoint(
        EndpointName="rolled-back", EndpointConfigName=lab.config("rolled-back-3", "new")
    )
    assert "FailureReason" not in lab.endpoint("rolled-back", "InService")


def test_a_failed_creation(lab: Lab) -> None:
    endpoint = _create(lab, "failed", "broken")
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
    assert lab.log("/aws/sagemaker/Endpoints/failed", "AllTraffic/i-") == ["no usable model"]
    missing = _refused(lab, "sagemaker-runtime", "invoke_endpoint", EndpointName="failed", Body=b"")
    assert missing["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint failed of account 123456789012 not found.",
    }
    lab.client("sagemaker").delete_endpoint(EndpointName="failed")
    until(lambda: _gone(lab, "failed"))


def test_an_artifact_that_vanished(lab: Lab) -> None:
    config = lab.config("vanished", "1")
    lab.client("s3").delete_object(Bucket=lab.bucket, Key="models/vanished/model.tar.gz")
    lab.client("sagemaker").create_endpoint(EndpointName="vanished", EndpointConfigName=config)
    reason = lab.endpoint("vanished", "Failed")["FailureReason"]
    assert reason.startswith('Failed to download model data for container "container_1" from URL')


def test_errors_of_the_container(lab: Lab) -> None:
    _create(lab, "errors")
    runtime = {"EndpointName": "errors", "ContentType": "text/csv"}
    response = _refused(lab, "sagemaker-runtime", "invoke_endpoint", **runtime, Body=b"status 400")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == 400
    assert response["OriginalMessage"] == "refused"
    assert response["LogStreamArn"] == (
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/errors"
    )
    message = 'Received client error (400) from primary with message "refused". See https://'
    assert response["Error"]["Message"].startswith(message)
    too_large = _refused(
        lab, "sagemaker-runtime", "invoke_endpoint", **runtime, Body=b"x" * (6 * 1024 * 1024 + 1)
    )
    assert too_large["Error"]["Code"] == "ValidationError"


def test_a_container_that_is_killed_comes_back(lab: Lab) -> None:
    _create(lab, "killed", "1")
    (process,) = (line for line in _processes("mark-of-killed-1") if line.split()[1] == "python")
    os.kill(int(process.split()[0]), signal.SIGKILL)
    response = _refused(
        lab, "sagemaker-runtime", "invoke_endpoint", EndpointName="killed", Body=b""
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert response["Error"]["Code"] == "ServiceUnavailable"

    def again() -> str | None:
        try:
            return _answer(lab, "killed")
        except ClientError:
            return None

    assert until(again) == "1"
    assert lab.endpoint("killed", "InService")


def test_nothing_outlives_a_killed_account(tmp_path_factory: pytest.TempPathFactory) -> None:
    """I8: kill -9 of the account leaves no process and no port."""
    with start_account(tmp_path_factory.mktemp("killed")) as running:
        create_role(running, "jobs", "sagemaker")
        ecr, s3 = running.client("ecr"), running.client("s3")
        ecr.create_repository(repositoryName="killed")
        image = push_image(ecr, "killed", "v1", layer({"opt/program/main.py": PROGRAM}))
        s3.create_bucket(Bucket="killed")
        _create(Lab(account=running, image=image, bucket="killed"), "orphan")
        assert _processes("mark-of-orphan-1")
        running.process.kill()
        running.process.wait(10)
    until(lambda: True if not _processes("mark-of-orphan-1") else None)


def test_duplicates_and_what_is_missing(lab: Lab) -> None:
    lab.config("again", "1")
    sagemaker = lab.client("sagemaker")
    container = {"Image": lab.image}
    model = {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}
    refusals: list[tuple[str, dict[str, Any], str]] = [
        ("create_model", {"ModelName": "again", **model}, "Cannot create already existing model "),
        (
            "create_model",
            {"ModelName": "x", **model, "PrimaryContainer": {"Image": "no"}},
            "Requested image no not found.",
        ),
        (
            "create_model",
            {
                "ModelName": "x",
                **model,
                "PrimaryContainer": {**container, "ModelDataUrl": f"s3://{lab.bucket}/no"},
            },
            f"Could not access model data at s3://{lab.bucket}/no",
        ),
        ("describe_model", {"ModelName": "no"}, f'Could not find model "{ARN}:model/no".'),
        (
            "create_endpoint",
            {"EndpointName": "no", "EndpointConfigName": "no"},
            f'Could not find endpoint configuration "{ARN}:endpoint-config/no".',
        ),
    ]
    for operation, params, expected in refusals:
        response = _refused(lab, "sagemaker", operation, **params)
        assert response["Error"]["Code"] == "ValidationException"
        assert response["Error"]["Message"].startswith(expected)
    sagemaker.delete_model(ModelName="again")
    sagemaker.delete_endpoint_config(EndpointConfigName="again")
    names = [m["ModelName"] for m in sagemaker.list_models(NameContains="again")["Models"]]
    assert names == []


def _processes(mark: str) -> list[str]:
    """Return the processes of containers whose environment or command line has a mark."""
    command = ["ps", "axeww", "-o", "pid=,args="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if mark in line and "main.py serve" in line]
