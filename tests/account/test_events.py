"""Every event that the account sends has the shape that AWS documents, field for field."""

import json
from typing import Any

import pytest

from tests.account.event_shapes import differences, shapes
from tests.account.sagemaker_fixture import Lab, lab, until
from tests.account.workloads import execute, queue
from tests.conftest import RunningAccount

__all__ = ["lab"]  # a fixture

SHAPES = shapes()
Event = dict[str, Any]


class Listener:
    """A queue that receives every event of AWS's services, and keeps what it received."""

    def __init__(self, account: RunningAccount) -> None:
        self._sqs = account.client("sqs")
        self._url, arn = queue(account, "every-event")
        self._kept: list[Event] = []
        events = account.client("events")
        pattern = {"source": [{"prefix": "aws."}]}
        events.put_rule(Name="every-event", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="every-event", Targets=[{"Id": "1", "Arn": arn}])

    def of(self, text: str, kind: str, number: int) -> list[Event]:
        """Wait until there are so many events of a kind about something."""

        def heard() -> list[Event] | None:
            got = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            for message in got.get("Messages", []):
                self._kept.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            found = [each for each in self._kept if text in json.dumps(each)]
            found = [each for each in found if each["detail-type"] == kind]
            return found if len(found) >= number else None

        events: list[Event] = until(heard)
        assert len(events) == number, events
        for event in events:
            assert list(differences(event, SHAPES[kind])) == []
        return sorted(events, key=lambda event: event["time"])


@pytest.fixture(scope="module")
def listener(account: RunningAccount) -> Listener:
    return Listener(account)


def _statuses(events: list[Event], member: str) -> set[str]:
    return {event["detail"][member] for event in events}


def test_objects_that_are_written_and_deleted(lab: Lab, listener: Listener) -> None:
    s3, name = lab.client("s3"), "told-objects"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket=name, Key="a b+ü.csv", Body=b"123")
    s3.delete_object(Bucket=name, Key="a b+ü.csv")
    (created,) = listener.of(name, "Object Created", 1)
    (deleted,) = listener.of(name, "Object Deleted", 1)
    assert set(created["detail"]["object"]) == {"key", "size", "etag", "sequencer"}
    assert created["detail"]["object"]["key"] == "a b+ü.csv"
    assert set(deleted["detail"]["object"]) == {"key", "sequencer"}
    assert deleted["detail"]["deletion-type"] == "Permanently Deleted"
    assert created["detail"]["object"]["sequencer"] < deleted["detail"]["object"]["sequencer"]


def test_versions_copies_and_multipart_uploads(lab: Lab, listener: Listener) -> None:
    s3, name = lab.client("s3"), "told-versions"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    put = s3.put_object(Bucket=name, Key="one", Body=b"123")
    s3.copy_object(Bucket=name, Key="two", CopySource={"Bucket": name, "Key": "one"})
    upload = {"Bucket": name, "Key": "three"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"12345")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    completed = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    events = {e["detail"]["object"]["key"]: e for e in listener.of(name, "Object Created", 3)}
    reasons = {key: event["detail"]["reason"] for key, event in events.items()}
    assert reasons == {
        "one": "PutObject",
        "two": "CopyObject",
        "three": "CompleteMultipartUpload",
    }
    assert events["one"]["detail"]["object"]["version-id"] == put["VersionId"]
    three = events["three"]["detail"]["object"]
    assert (three["version-id"], three["size"]) == (completed["VersionId"], 5)
    assert three["etag"] == completed["ETag"].strip('"')
    marker = s3.delete_object(Bucket=name, Key="one")["VersionId"]
    s3.delete_object(Bucket=name, Key="one", VersionId=put["VersionId"])
    deleted = {
        event["detail"]["object"]["version-id"]: event["detail"]["deletion-type"]
        for event in listener.of(name, "Object Deleted", 2)
    }
    assert deleted == {marker: "Delete Marker Created", put["VersionId"]: "Permanently Deleted"}


def test_training_jobs(lab: Lab, listener: Listener) -> None:
    kind = "SageMaker Training Job State Change"
    lab.client("sagemaker").create_training_job(
        **lab.training_request("told-training", eta="0.1"), Tags=[{"Key": "k", "Value": "v"}]
    )
    events = listener.of("told-training", kind, 2)
    assert _statuses(events, "TrainingJobStatus") == {"InProgress", "Completed"}
    assert all(event["detail"]["FailureReason"] is None for event in events)
    assert all(event["detail"]["Tags"] == {"k": "v"} for event in events)


def test_processing_jobs(lab: Lab, listener: Listener) -> None:
    lab.process(lab.processing_request("told-processing", EXIT="1"))
    events = listener.of("told-processing", "SageMaker Processing Job State Change", 2)
    assert _statuses(events, "ProcessingJobStatus") == {"InProgress", "Failed"}


def test_endpoints(lab: Lab, listener: Listener) -> None:
    config, name = lab.config("told-endpoint-1", "1"), "told-endpoint"
    sagemaker = lab.client("sagemaker")
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    lab.endpoint(name, "InService")
    sagemaker.delete_endpoint(EndpointName=name)
    events = listener.of(f"endpoint/{name}", "SageMaker Endpoint State Change", 3)
    assert _statuses(events, "EndpointStatus") == {"CREATING", "IN_SERVICE", "DELETING"}


def test_model_packages(lab: Lab, listener: Listener) -> None:
    sagemaker, group = lab.client("sagemaker"), "told-group"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {"Image": lab.image, "ModelDataUrl": f"s3://{lab.bucket}/model.tar.gz"}
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="good"
    )
    sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"k": "v"})
    events = listener.of(group, "SageMaker Model Package State Change", 3)
    updated = [sorted(event["detail"].get("UpdatedModelPackageFields", [])) for event in events]
    assert sorted(updated) == [
        [],
        ["ApprovalDescription", "ModelApprovalStatus"],
        ["CustomerMetadataProperties"],
    ]


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_executions(account: RunningAccount, listener: Listener, status: str) -> None:
    name = f"told-{status.lower()}"
    states: Any = {
        "SUCCEEDED": {"Type": "Pass", "End": True},
        "FAILED": {"Type": "Fail", "Error": "E", "Cause": "c"},
    }
    execute(account, name, {"Only": states[status]}, {"n": 1})
    events = listener.of(name, "Step Functions Execution Status Change", 2)
    assert _statuses(events, "status") == {"RUNNING", status}
    (end,) = (event["detail"] for event in events if event["detail"]["status"] == status)
    assert json.loads(end["input"]) == {"n": 1}
    assert (end["output"] is None) == (end["outputDetails"] is None) == (status == "FAILED")
    assert end["error"] == ("E" if status == "FAILED" else None)


def test_images_that_are_pushed(lab: Lab, listener: Listener) -> None:
    repository, ecr = lab.bucket, lab.client("ecr")
    asked = {"repositoryName": repository, "imageIds": [{"imageTag": "v1"}]}
    (image,) = ecr.batch_get_image(**asked)["images"]
    ecr.put_image(repositoryName=repository, imageManifest=image["imageManifest"], imageTag="told")
    (event,) = listener.of('"told"', "ECR Image Action", 1)
    assert event["detail"]["image-digest"] == image["imageId"]["imageDigest"]


def test_images_that_are_scanned(lab: Lab, listener: Listener) -> None:
    repository, ecr = lab.bucket, lab.client("ecr")
    ecr.start_image_scan(repositoryName=repository, imageId={"imageTag": "v1"})
    (event,) = listener.of(repository, "ECR Image Scan", 1)
    assert event["detail"]["scan-status"] == "COMPLETE"
    assert "v1" in event["detail"]["image-tags"]
    assert "finding-severity-counts" not in event["detail"]
