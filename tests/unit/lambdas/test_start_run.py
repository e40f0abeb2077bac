"""Every event starts one execution, whoever brings it and however often."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from shared import aws
from shared.datasets import execution_name
from shared.errors import EventInvalid, UploadInvalid
from start_run.handler import handler

BUCKET = "acme-data"
KEY = "v1.0/_MANIFEST.json"
VERSION_ID = "tQ7wK2m9xVb3YhNf0Zs5RdLpUc8JeGaO"
MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:m"
EXECUTION = "arn:aws:states:eu-west-1:111122223333:execution:m:e"
Stub = Callable[[str], Stubber]
Event = Callable[[str], Any]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


PARAMETER = "/demo/dev/image"


@pytest.fixture(autouse=True)
def variables(environment: Callable[..., None]) -> None:
    environment(BUCKET_NAME=BUCKET, STATE_MACHINE_ARN=MACHINE, IMAGE_PARAMETER_NAME=PARAMETER)


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The parameters of the account; the pipeline's build has written this one."""
    parameters = {PARAMETER: '{"training": "t", "processing": "p"}'}

    def get_parameter(Name: str) -> dict[str, Any]:
        if Name not in parameters:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return {"Parameter": {"Value": parameters[Name]}}

    monkeypatch.setattr(aws, "ssm", lambda: SimpleNamespace(get_parameter=get_parameter))
    return parameters


def expect_start(
    stub: Stub, name: str, asked: dict[str, Any], started: datetime | None = None
) -> None:
    defaults: dict[str, Any] = {"manifest_version_id": None, "hyperparameters": {}, "again": False}
    stub("step_functions").add_response(
        "start_execution",
        {"executionArn": EXECUTION, "startDate": started or datetime.now(UTC)},
        {"stateMachineArn": MACHINE, "name": name, "input": Json(defaults | asked)},
    )


class Json:
    """Equal to any text of the same JSON."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and json.loads(other) == self._content

    __hash__ = None  # type: ignore[assignment]


def test_a_manifest_starts_the_execution_of_its_version_id(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    name = execution_name(BUCKET, KEY, VERSION_ID)
    expect_start(
        stub,
        name,
        {"trigger": "upload", "dataset": "v1.0", "manifest_version_id": VERSION_ID},
    )
    result = handler(event("s3_object_created"), context)
    assert result == {"status": "Started", "execution_name": name}


def test_the_reconciler_names_the_execution_as_the_event_does(
    stub: Stub, context: SimpleNamespace
) -> None:
    name = execution_name(BUCKET, KEY, VERSION_ID)
    expect_start(
        stub,
        name,
        {"trigger": "reconciler", "dataset": "v1.0", "manifest_version_id": VERSION_ID},
    )
    asked = {"manifest_key": KEY, "version_id": VERSION_ID}
    assert handler(asked, context)["execution_name"] == name


def test_an_event_of_an_execution_that_ended_is_a_duplicate(
    stub: Stub,
    event: Event,
    context: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stub("step_functions").add_client_error("start_execution", "ExecutionAlreadyExists")
    assert handler(event("s3_object_created"), context)["status"] == "Duplicate"
    assert "Duplicate event" in caplog.text
    assert '"EventsDuplicate":[1' in capsys.readouterr().out


def test_an_event_of_an_execution_that_runs_is_a_duplicate(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    earlier = datetime.now(UTC) - timedelta(seconds=5)
    stub("step_functions").add_response(
        "start_execution", {"executionArn": EXECUTION, "startDate": earlier}
    )
    assert handler(event("s3_object_created"), context)["status"] == "Duplicate"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("upload", "the reconciler starts the run once there is one"),
        ("reconciler", "the reconciler starts the run once there is one"),
        ("schedule", "this hour of the schedule is left out"),
    ],
)
def test_before_the_first_image_nothing_is_started(
    asked: str,
    said: str,
    published: dict[str, str],
    stub: Stub,
    event: Event,
    context: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = {
        "upload": event("s3_object_created"),
        "reconciler": {"manifest_key": KEY, "version_id": VERSION_ID},
        "schedule": {"scheduled_time": "2026-03-04T09:00:00Z", "dataset": "v1.0"},
    }[asked]
    published.clear()
    stub("step_functions")  # any request is refused
    waits = handler(request, context)
    assert waits["status"] == "WaitsForImage"
    assert '"RunsWaitingForImage":[1' in capsys.readouterr().out
    assert f"No image is built yet: {said}" in caplog.text
    published[PARAMETER] = "{}"
    stub("step_functions").add_response(
        "start_execution", {"executionArn": EXECUTION, "startDate": datetime.now(UTC)}
    )
    assert handler(request, context) == {**waits, "status": "Started"}


def test_a_bucket_without_versions_is_told_apart_by_etag(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    upload = event("s3_object_created")
    del upload["detail"]["object"]["version-id"]
    name = execution_name(BUCKET, KEY, None, etag=upload["detail"]["object"]["etag"])
    expect_start(stub, name, {"trigger": "upload", "dataset": "v1.0"})
    handler(upload, context)


def test_any_other_refusal_is_raised_so_that_lambda_repeats_the_event(
    stub: Stub, event: Event, context: SimpleNamespace
) -> None:
    stub("step_functions").add_client_error("start_execution", "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        handler(event("s3_object_created"), context)


@pytest.mark.parametrize("time", ["2026-03-04T09:00:00Z", "2026-03-04T10:00:00+01:00"])
def test_a_schedule_s_hour_starts_one_execution(
    stub: Stub, context: SimpleNamespace, time: str
) -> None:
    expect_start(stub, "v1-0-scheduled-20260304T090000", {"trigger": "schedule", "dataset": "v1.0"})
    handler({"scheduled_time": time, "dataset": "v1.0"}, context)


def test_a_schedule_without_data_set_takes_the_newest_manifest(
    stub: Stub, context: SimpleNamespace
) -> None:
    s3 = stub("s3")
    folders = ["old/", "new/", "runs/", "files/", "no version/"]
    s3.add_response(
        "list_objects_v2",
        {"CommonPrefixes": [{"Prefix": folder} for folder in folders]},
        {"Bucket": BUCKET, "Delimiter": "/"},
    )
    for day, version in ((1, "old"), (2, "new")):
        written = {"LastModified": datetime(2026, 3, day, tzinfo=UTC)}
        place = {"Bucket": BUCKET, "Key": f"{version}/_MANIFEST.json"}
        s3.add_response("head_object", written, place)
    s3.add_client_error("head_object", "404", http_status_code=404)
    expect_start(stub, "new-scheduled-20260304T090000", {"trigger": "schedule", "dataset": "new"})
    handler({"scheduled_time": "2026-03-04T09:00:00Z", "dataset": None}, context)


def test_a_schedule_over_an_empty_bucket_starts_nothing(
    stub: Stub, context: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    stub("s3").add_response("list_objects_v2", {})
    result = handler({"scheduled_time": "2026-03-04T09:00:00Z", "dataset": None}, context)
    assert result["status"] == "NothingToTrain"
    assert '"SchedulesWithoutData":[1' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "Event of StartRun: found '{}', expected S3's event"),
        ([], "Event of StartRun: found"),
        ("text", "Event of StartRun: found"),
        (None, "Event of StartRun: found"),
        ({"detail": {}}, "Input of UploadEvent: detail.bucket: Field required"),
        ({"detail": "{}"}, "Input of UploadEvent: detail: "),
        ({"detail": {"bucket": {"name": BUCKET}, "object": {"key": ""}}}, "detail.object.key"),
        ({"detail": {"bucket": {"name": "b"}, "object": {"key": KEY}}}, "of bucket acme-data"),
        ({"manifest_key": 7}, "Input of ManifestRequest: manifest_key: "),
        ({"scheduled_time": "soon"}, "Input of ScheduleRequest: scheduled_time: "),
        ({"scheduled_time": "2026-03-04T09:00:00"}, "scheduled_time: "),
        ({"scheduled_time": "2026-03-04T09:00:00Z", "dataset": "runs"}, "not 'runs'"),
    ],
)
def test_a_malformed_event_is_named(asked: Any, message: str, context: SimpleNamespace) -> None:
    with pytest.raises(EventInvalid) as caught:
        handler(asked, context)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["runs/_MANIFEST.json", "a/b/_MANIFEST.json", "v1 0/_MANIFEST.json", "v1.0/train/x.csv"]
)
def test_a_key_that_is_no_manifest_s_is_named(
    key: str, event: Event, context: SimpleNamespace
) -> None:
    upload = event("s3_object_created")
    upload["detail"]["object"]["key"] = key
    for asked in (upload, {"manifest_key": key}):
        with pytest.raises(UploadInvalid, match="expected <version>/_MANIFEST.json"):
            handler(asked, context)


def test_nothing_is_url_decoded(event: Event, context: SimpleNamespace) -> None:
    upload = event("s3_object_created")
    upload["detail"]["object"]["key"] = "v1%2E0/_MANIFEST.json"
    with pytest.raises(UploadInvalid, match="v1%2E0"):
        handler(upload, context)
