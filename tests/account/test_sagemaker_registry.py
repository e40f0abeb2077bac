"""The model registry through boto3: versions, idempotence, approval, listing, events."""

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.services.sagemaker import events
from tests.account.sagemaker_fixture import ROLE, DirectLab, Lab, direct, lab

__all__ = ["direct", "lab"]  # fixtures

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def _request(lab: Lab, group: str, **more: Any) -> dict[str, Any]:
    container = {"Image": lab.image, "ModelDataUrl": f"s3://{lab.bucket}/model.tar.gz"}
    statistics = {"ContentType": "application/json", "S3Uri": "s3://bucket/evaluation.json"}
    return {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
        "CustomerMetadataProperties": {"dataset": "v1.0"},
        **more,
    }


def _refused(lab: Lab, operation: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        getattr(lab.client("sagemaker"), operation)(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_versions_are_numbered(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="numbered")
    arns = [
        sagemaker.create_model_package(**_request(lab, "numbered"))["ModelPackageArn"]
        for _ in range(2)
    ]
    assert arns == [f"{ARN}:model-package/numbered/{number}" for number in (1, 2)]
    package = sagemaker.describe_model_package(ModelPackageName=arns[1])
    assert package["ModelPackageVersion"] == 2
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["ModelPackageStatus"] == "Completed"
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["ImageDigest"] == lab.image.rpartition("@")[2]
    sagemaker.delete_model_package(ModelPackageName=arns[1])
    third = sagemaker.create_model_package(**_request(lab, "numbered"))["ModelPackageArn"]
    assert third.endswith("/3")


def test_a_client_token_registers_once(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="tokens")
    request = _request(lab, "tokens", ClientToken="t" * 32)
    first, again = (sagemaker.create_model_package(**request) for _ in range(2))
    assert first["ModelPackageArn"] == again["ModelPackageArn"]
    changed = request | {"ModelApprovalStatus": "Rejected"}
    assert _refused(lab, "create_model_package", **changed)[0] == "ConflictException"
    listed = sagemaker.list_model_packages(ModelPackageGroupName="tokens")
    assert len(listed["ModelPackageSummaryList"]) == 1


def test_approval(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="approval")
    arn = sagemaker.create_model_package(**_request(lab, "approval"))["ModelPackageArn"]
    for status in ("Approved", "Rejected", "Approved"):
        sagemaker.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription="rmse 2.1"
        )
        package = sagemaker.describe_model_package(ModelPackageName=arn)
        assert package["ModelApprovalStatus"] == status
    pending = {"ModelPackageArn": arn, "ModelApprovalStatus": "PendingManualApproval"}
    assert _refused(lab, "update_model_package", **pending)[0] == "ValidationException"
    approved = sagemaker.list_model_packages(
        ModelPackageGroupName="approval", ModelApprovalStatus="Approved"
    )["ModelPackageSummaryList"]
    assert [(p["ModelPackageArn"], p["ModelPackageVersion"]) for p in approved] == [(arn, 1)]


def test_events(direct: DirectLab) -> None:
    sagemaker, group = direct.client("sagemaker"), "events"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = sagemaker.create_model_package(**_request(direct, group))["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.update_model_package(
        ModelPackageArn=arn, CustomerMetadataProperties={"deployed-to": "staging"}
    )
    registered, approved, noted = (detail for _, _, detail in direct.emitted)
    fields = {
        "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "CreationTime",
        "InferenceSpecification", "ModelPackageStatus", "ModelPackageStatusDetails",
        "CertifyForMarketplace", "ModelApprovalStatus", "ModelMetrics",
        "CustomerMetadataProperties", "LastModifiedTime",
    }  # fmt: skip
    assert set(registered) == fields
    assert registered["CreationTime"].endswith("Z")
    assert approved["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
    assert noted["UpdatedModelPackageFields"] == ["CustomerMetadataProperties"]
    assert noted["ModelApprovalStatus"] == "Approved"
    assert noted["CustomerMetadataProperties"] == {"dataset": "v1.0", "deployed-to": "staging"}


def test_an_update_that_changes_nothing_is_no_event(direct: DirectLab) -> None:
    sagemaker, group = direct.client("sagemaker"), "unchanged"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = sagemaker.create_model_package(**_request(direct, group))["ModelPackageArn"]
    before = sagemaker.describe_model_package(ModelPackageName=arn)
    sagemaker.update_model_package(ModelPackageArn=arn)
    sagemaker.update_model_package(
        ModelPackageArn=arn, CustomerMetadataProperties={"dataset": "v1.0"}
    )
    assert len(direct.emitted) == 1
    after = sagemaker.describe_model_package(ModelPackageName=arn)
    assert after["LastModifiedTime"] == before["LastModifiedTime"]


def test_an_event_tells_the_version_as_its_own_update_left_it(
    direct: DirectLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sagemaker, group = direct.client("sagemaker"), "meanwhile"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = sagemaker.create_model_package(**_request(direct, group))["ModelPackageArn"]
    told = events.model_package_changed

    def rejected_meanwhile(plane: Any, package: Any, updated: Any = None) -> None:
        monkeypatch.setattr(events, "model_package_changed", told)
        reject = {"ModelPackageArn": arn, "ModelApprovalStatus": "Rejected"}
        other = threading.Thread(target=sagemaker.update_model_package, kwargs=reject)
        other.start()
        other.join(0.5)
        told(plane, package, updated)
        waiting.append(other)

    waiting: list[threading.Thread] = []
    monkeypatch.setattr(events, "model_package_changed", rejected_meanwhile)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    waiting[0].join(10)
    statuses = [detail["ModelApprovalStatus"] for _, _, detail in direct.emitted]
    assert statuses == ["PendingManualApproval", "Approved", "Rejected"]


def test_a_group_with_versions_is_not_deleted(lab: Lab) -> None:
    sagemaker, group = lab.client("sagemaker"), {"ModelPackageGroupName": "kept"}
    created = sagemaker.create_model_package_group(**group)["ModelPackageGroupArn"]
    assert sagemaker.describe_model_package_group(**group)["ModelPackageGroupArn"] == created
    assert _refused(lab, "create_model_package_group", **group) == (
        "ValidationException",
        f"Model Package Group already exists: {created}",
    )
    arn = sagemaker.create_model_package(**_request(lab, created))["ModelPackageArn"]
    assert _refused(lab, "delete_model_package_group", **group)[0] == "ConflictException"
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(**group)
    assert _refused(lab, "describe_model_package_group", **group) == (
        "ValidationException",
        f"ModelPackageGroup {created} does not exist.",
    )


def test_versions_are_listed_in_pages_newest_first(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="pages")
    for _ in range(3):
        sagemaker.create_model_package(**_request(lab, "pages"))
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName="pages",
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 2},
    )
    assert [
        [package["ModelPackageVersion"] for package in page["ModelPackageSummaryList"]]
        for page in pages
    ] == [[3, 2], [1]]
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"] == []


def test_a_model_of_a_version(lab: Lab) -> None:
    sagemaker = lab.client("sagemaker")
    lab.client("s3").put_object(Bucket=lab.bucket, Key="model.tar.gz", Body=b"")
    sagemaker.create_model_package_group(ModelPackageGroupName="models")
    arn = sagemaker.create_model_package(**_request(lab, "models"))["ModelPackageArn"]
    container = {"ModelPackageName": arn}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    assert sagemaker.describe_model(ModelName="m")["PrimaryContainer"] == container


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "Tags cannot be added"),
        ({"ModelPackageName": "name"}, "Both ModelPackageName and ModelPackageGroupName"),
        ({"CustomerMetadataProperties": {"a!": "b"}}, "customerMetadataProperties"),
        ({"ModelPackageGroupName": "unknown"}, "model-package-group/unknown does not exist."),
    ],
)
def test_registrations_that_are_refused(lab: Lab, more: dict[str, Any], expected: str) -> None:
    code, message = _refused(lab, "create_model_package", **_request(lab, "numbered", **more))
    assert code == "ValidationException"
    assert expected in message
