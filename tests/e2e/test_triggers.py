"""What starts a run, what does not, and what becomes of events that nothing can handle."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start_account
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.images import publish_absent

MANIFEST = "_MANIFEST.json"
UNUSUAL = "train/a b+c–ü & (1)/teil.csv"


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Pipeline]:
    """A pipeline in an account of its own, without images so far."""
    with start_account(tmp_path_factory.mktemp("uploads")) as running:
        yield deploy(running, "dev", datasets)


def put(pipeline: Pipeline, key: str, body: bytes = b"x") -> None:
    pipeline.account.client("s3").put_object(
        Bucket=pipeline.outputs["BucketName"], Key=key, Body=body
    )


def requests(pipeline: Pipeline) -> list[dict[str, Any]]:
    client = pipeline.account.client("stepfunctions")
    return [
        json.loads(client.describe_execution(executionArn=arn)["input"])
        for arn in pipeline.executions()
    ]


def executions_of(pipeline: Pipeline, dataset: str) -> int:
    return sum(request["dataset"] == dataset for request in requests(pipeline))


def manifest_of(pipeline: Pipeline, dataset: str) -> dict[str, Any]:
    answer = pipeline.account.client("s3").get_object(
        Bucket=pipeline.outputs["BucketName"], Key=f"{dataset}/{MANIFEST}"
    )
    manifest: dict[str, Any] = json.loads(answer["Body"].read())
    return manifest


def dead_letters(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Take what lies in the dead-letter queue."""
    sqs, url = pipeline.account.client("sqs"), pipeline.outputs["DeadLetterQueueUrl"]
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += messages
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def log_of(pipeline: Pipeline, function: str) -> list[str]:
    logs = pipeline.account.client("logs")
    functions = pipeline.account.client("lambda").list_functions()["Functions"]
    group = next(f["LoggingConfig"]["LogGroup"] for f in functions if function in f["FunctionName"])
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def test_an_upload_before_the_first_image_starts_nothing_yet(
    uploads: Pipeline, tmp_path: Path
) -> None:
    """What becomes of it: the last test of this file."""
    uploads.upload(_version(uploads, tmp_path / "early"), "early")
    uploads.until(
        lambda: any("RunsWaitingForImage" in line for line in log_of(uploads, "StartRun")),
        seconds=30,
    )
    assert uploads.executions() == []
    # from here on runs end soon, for the images that are named are absent
    publish_absent(uploads)


def _version(pipeline: Pipeline, folder: Path) -> Path:
    """Make a data set version of the name of a folder."""
    shutil.copytree(pipeline.datasets / "v1.0", folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "version": folder.name}))
    return folder


def test_fifty_files_without_a_manifest_start_one_run_after_a_quiet_period(
    uploads: Pipeline,
) -> None:
    files = {f"train/part-{n:02}.csv": f"{n}\n".encode() for n in range(48)}
    long = "train/" + "k" * (1024 - len("plain/train/") - len(".csv")) + ".csv"
    files |= {"validation/a.csv": b"v\n", UNUSUAL: b"u\n", long: b"l\n"}
    for key, body in files.items():
        put(uploads, f"plain/{key}", body)
    uploads.until(lambda: executions_of(uploads, "plain"), seconds=30)
    time.sleep(3)
    assert executions_of(uploads, "plain") == 1
    listed = {file["key"]: file for file in manifest_of(uploads, "plain")["files"]}
    assert listed.keys() == files.keys()
    for key, body in files.items():
        assert listed[key]["sha256"] == hashlib.sha256(body).hexdigest()
        assert listed[key]["size"] == len(body)
    schedules = uploads.account.client("scheduler").list_schedules(
        GroupName=uploads.outputs["ScheduleGroupName"]
    )["Schedules"]
    assert [s["Name"] for s in schedules if "plain" in s["Name"]] == []


def test_the_same_bytes_again_start_nothing_and_the_log_says_so(uploads: Pipeline) -> None:
    before = executions_of(uploads, "plain")
    put(uploads, f"plain/{UNUSUAL}", b"u\n")
    uploads.until(
        lambda: any("UploadsUnchanged" in line for line in log_of(uploads, "DatasetSealer")),
        seconds=30,
    )
    time.sleep(2)
    assert executions_of(uploads, "plain") == before


def test_other_bytes_start_another_run(uploads: Pipeline) -> None:
    before = executions_of(uploads, "plain")
    put(uploads, f"plain/{UNUSUAL}", b"other\n")
    uploads.until(lambda: executions_of(uploads, "plain") == before + 1, seconds=30)


def test_a_manifest_starts_at_once_and_only_once(uploads: Pipeline) -> None:
    started = time.monotonic()
    uploads.upload(uploads.datasets / "v1.0", "v1.0")
    uploads.until(lambda: executions_of(uploads, "v1.0"), seconds=30)
    assert time.monotonic() - started < 5 + 4  # the quiet period, and the two AWS CLIs
    time.sleep(8)  # the files' own quiet period ends, and finds the manifest
    assert executions_of(uploads, "v1.0") == 1


def test_one_event_twice_starts_one_run(uploads: Pipeline) -> None:
    s3, bucket = uploads.account.client("s3"), uploads.outputs["BucketName"]
    head = s3.head_object(Bucket=bucket, Key=f"v1.0/{MANIFEST}")
    detail = {
        "bucket": {"name": bucket},
        "object": {"key": f"v1.0/{MANIFEST}", "version-id": head["VersionId"]},
    }
    before = executions_of(uploads, "v1.0")
    for _ in range(2):
        uploads.deliver("aws.s3", "Object Created", detail)
    uploads.until(
        lambda: sum("EventsDuplicate" in line for line in log_of(uploads, "StartRun")) >= 2,
        seconds=20,
    )
    assert executions_of(uploads, "v1.0") == before


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (f"not a version/{MANIFEST}", "not a version"),
        (f"deep/er/{MANIFEST}", "deep/er"),
        ("bad version!/train/a.csv", "bad version!"),
    ],
)
def test_an_upload_that_is_no_data_set_is_kept_with_its_reason(
    uploads: Pipeline, key: str, reason: str
) -> None:
    before = uploads.executions()
    found: list[dict[str, Any]] = []
    put(uploads, key)

    def arrived() -> bool:
        found.extend(dead_letters(uploads))
        return bool(found)

    uploads.until(arrived, seconds=30)
    (letter,) = found
    assert key in letter["Body"], letter["MessageAttributes"]
    assert reason in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert uploads.executions() == before


def test_what_a_run_writes_starts_no_other(uploads: Pipeline) -> None:
    before = uploads.executions()
    put(uploads, "runs/abc/1/validation/report.json")
    put(uploads, "runs/abc/1/train/x.csv")
    time.sleep(7)
    assert uploads.executions() == before
    assert dead_letters(uploads) == []


def test_uploads_whose_event_was_lost_or_that_waited_are_found_by_the_reconciler(
    uploads: Pipeline, tmp_path: Path
) -> None:
    events = uploads.account.client("events")
    rules = [r["Name"] for r in events.list_rules()["Rules"] if "DatasetTrigger" in r["Name"]]
    assert len(rules) == 2
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        uploads.upload(_version(uploads, tmp_path / "lost"), "lost")
        time.sleep(2)
        assert executions_of(uploads, "lost") == 0
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)
    for dataset in ("early", "lost"):
        uploads.until(partial(executions_of, uploads, dataset), seconds=300)
        (request,) = [each for each in requests(uploads) if each["dataset"] == dataset]
        assert request["trigger"] == "reconciler"
