"""Every file postpones the sealing of its version, in whichever order events come."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from shared.errors import EventInvalid, UploadInvalid
from upload_watch import gateway
from upload_watch.handler import handler
from upload_watch.logic import sealing_of, version_of

GROUP = "demo"
ARN = "arn:aws:scheduler:eu-west-1:111122223333:schedule/demo/s"
SEALER = "arn:aws:lambda:eu-west-1:111122223333:function:sealer"
ROLE = "arn:aws:iam::111122223333:role/schedules"
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:queue"
NOW = 1_772_615_551.25  # 2026-03-04T09:12:31.25Z
Stub = Callable[[str], Stubber]
Event = Callable[[str], Any]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def variables(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    environment(
        PROJECT_NAME="demo",
        BUCKET_NAME="acme-data",
        QUIET_PERIOD_SECONDS="300",
        SCHEDULE_GROUP_NAME=GROUP,
        SCHEDULE_ROLE_ARN=ROLE,
        SEALER_FUNCTION_ARN=SEALER,
        DEAD_LETTER_QUEUE_ARN=QUEUE,
    )
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr(gateway, "PAUSE_SECONDS", 0)


def upload(event: Event, key: str) -> dict[str, Any]:
    content: dict[str, Any] = event("s3_object_created")
    content["detail"]["object"]["key"] = key
    return content


def schedule(version: str = "v1.0") -> dict[str, Any]:
    return {
        "Name": sealing_of(version, now=NOW, quiet_seconds=300).name,
        "GroupName": GROUP,
        "Description": f"Seals data set version {version}",
        "ScheduleExpression": "at(2026-03-04T09:17:32)",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": SEALER,
            "RoleArn": ROLE,
            "Input": json.dumps({"dataset": version, "quiet_seconds": 300}),
            "DeadLetterConfig": {"Arn": QUEUE},
        },
    }


@pytest.mark.parametrize(
    "key",
    [
        "v1.0/train/a.csv",
        "v1.0/train/batch one+a %2e.csv",
        "v1.0/validation/grüße/データ.csv",
        "v1.0/train//x",
        "v1.0/train/a\nb",
        "v1.0/train/" + "k" * (1024 - len("v1.0/train/")),
    ],
)
def test_a_file_postpones_the_sealing_of_its_version(
    stub: Stub, event: Event, context: SimpleNamespace, key: str
) -> None:
    stub("scheduler").add_response("update_schedule", {"ScheduleArn": ARN}, schedule())
    result = handler(upload(event, key), context)
    assert result == {"status": "Scheduled", "schedule_name": schedule()["Name"]}


def test_the_first_file_creates_the_schedule(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    stub("scheduler").add_client_error("update_schedule", "ResourceNotFoundException")
    stub("scheduler").add_response("create_schedule", {"ScheduleArn": ARN}, schedule())
    handler(upload(event, "v1.0/train/a.csv"), context)


def test_a_schedule_that_comes_and_goes_meanwhile_is_postponed_in_the_end(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    scheduler = stub("scheduler")
    scheduler.add_client_error("update_schedule", "ResourceNotFoundException")
    scheduler.add_client_error("create_schedule", "ConflictException")
    scheduler.add_client_error("update_schedule", "ConflictException")
    scheduler.add_client_error("create_schedule", "ConflictException")
    scheduler.add_client_error("update_schedule", "ResourceNotFoundException")
    scheduler.add_response("create_schedule", {"ScheduleArn": ARN}, schedule())
    handler(upload(event, "v1.0/train/a.csv"), context)


def test_rounds_are_bounded_and_the_last_refusal_is_raised(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    for _ in range(gateway.ROUNDS):
        stub("scheduler").add_client_error("update_schedule", "ConflictException")
        stub("scheduler").add_client_error("create_schedule", "ConflictException")
    stub("scheduler").add_client_error("update_schedule", "ConflictException")
    with pytest.raises(ClientError, match="ConflictException"):
        handler(upload(event, "v1.0/train/a.csv"), context)


def test_a_refusal_of_another_kind_is_raised_at_once(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    stub("scheduler").add_client_error("update_schedule", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        handler(upload(event, "v1.0/train/a.csv"), context)


def test_what_runs_write_is_ignored_silently(
    event: Event, context: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    key = "runs/0123/1/validation/report.json"
    assert handler(upload(event, key), context)["status"] == "Ignored"
    assert caplog.text == ""


@pytest.mark.parametrize(
    "key",
    [
        "v1 0/train/a.csv",
        "grüße/train/a.csv",
        ".hidden/train/a.csv",
        "/train/a.csv",
        f"{'x' * 64}/validation/a.csv",
        "team/v1.0/train/a.csv",
        "v1.0/train",
        "v1.0/test/train/a.csv",
        "train",
    ],
)
def test_a_file_of_no_version_is_named(event: Event, context: SimpleNamespace, key: str) -> None:
    with pytest.raises(UploadInvalid, match="expected <version>/train/... or <version>/valid") as e:
        handler(upload(event, key), context)
    assert str(e.value).startswith(f"s3://acme-data/{key}: ")


@pytest.mark.parametrize("content", [{}, {"detail": {}}, {"detail": {"bucket": {"name": "b"}}}])
def test_a_malformed_event_is_named(content: Any, context: SimpleNamespace) -> None:
    with pytest.raises(EventInvalid, match="Input of UploadEvent: detail"):
        handler(content, context)


def test_a_file_of_another_bucket_is_named(event: Event, context: SimpleNamespace) -> None:
    other = upload(event, "v1.0/train/a.csv")
    other["detail"]["bucket"]["name"] = "other"
    with pytest.raises(EventInvalid, match="s3://other/v1.0/train/a.csv: expected an object of"):
        handler(other, context)


def test_versions_that_look_alike_have_schedules_of_their_own() -> None:
    names = {
        sealing_of(version, now=NOW, quiet_seconds=1).name
        for version in ("v1.0", "v1-0", "V1.0", "x" * 62, "x" * 63)
    }
    assert len(names) == 5
    assert all(len(name) <= 64 for name in names)


def test_a_started_second_counts_as_a_whole() -> None:
    assert version_of("b", "v1.0/train/a") == "v1.0"
    later = sealing_of("v1.0", now=NOW + 0.7, quiet_seconds=300).expression
    assert sealing_of("v1.0", now=NOW, quiet_seconds=300).expression == later
    assert sealing_of("v1.0", now=NOW + 0.8, quiet_seconds=300).expression > later
