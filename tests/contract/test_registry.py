"""SageMaker's registry: groups of model package versions."""

from typing import Any

import pytest

from tests.contract.account import Aws, refused

VALIDATION = "ValidationException"


def _group(aws: Aws) -> tuple[dict[str, str], str]:
    """Create a group; return what names it and its ARN."""
    sagemaker, group = aws.client("sagemaker"), {"ModelPackageGroupName": aws.name("group")}
    made = sagemaker.create_model_package_group(**group, ModelPackageGroupDescription="why")
    aws.later(sagemaker.delete_model_package_group, **group)
    return group, made["ModelPackageGroupArn"]


@pytest.mark.contract(
    *("sagemaker:CreateModelPackageGroup", "sagemaker:DescribeModelPackageGroup"),
    *("sagemaker:ListModelPackageGroups", "sagemaker:DeleteModelPackageGroup"),
    *("sagemaker:AddTags", "sagemaker:ListTags", "sagemaker:DeleteTags"),
)
def test_a_group_from_creation_to_deletion(aws: Aws) -> None:
    sagemaker, (group, arn) = aws.client("sagemaker"), _group(aws)
    assert refused(sagemaker.create_model_package_group, **group) == VALIDATION
    found = sagemaker.describe_model_package_group(**group)
    assert (found["ModelPackageGroupDescription"], found["ModelPackageGroupArn"]) == ("why", arn)
    listed = sagemaker.list_model_package_groups(NameContains=aws.prefix)
    assert len(listed["ModelPackageGroupSummaryList"]) == 1
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags[1:]
    sagemaker.delete_model_package_group(**group)
    for call in (sagemaker.describe_model_package_group, sagemaker.delete_model_package_group):
        assert refused(call, **group) == VALIDATION


@pytest.mark.contract(
    *("sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"),
    *("sagemaker:ListModelPackages", "sagemaker:UpdateModelPackage"),
    "sagemaker:DeleteModelPackage",
)
def test_versions_of_a_model_from_registration_to_deletion(aws: Aws, image: str) -> None:
    sagemaker, (group, _) = aws.client("sagemaker"), _group(aws)
    versions = [_register(aws, group, image) for _ in range(2)]
    name = f"model-package/{group['ModelPackageGroupName']}"
    assert versions == [aws.arn("sagemaker", f"{name}/{number}") for number in (1, 2)]
    first = {"ModelPackageName": versions[0]}
    before = sagemaker.describe_model_package(**first)
    assert before["ModelPackageVersion"] == 1
    assert before["ModelApprovalStatus"] == "PendingManualApproval"
    decided = {"ModelApprovalStatus": "Rejected", "ApprovalDescription": "no"}
    sagemaker.update_model_package(ModelPackageArn=versions[0], **decided)
    assert sagemaker.describe_model_package(**first).items() >= decided.items()
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        **group, SortOrder="Descending", PaginationConfig={"PageSize": 1}
    )
    newest = [each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]]
    assert newest == versions[::-1]
    in_use = refused(sagemaker.delete_model_package_group, **group)
    assert in_use in (VALIDATION, "ConflictException")
    for package in versions:
        sagemaker.delete_model_package(ModelPackageName=package)
    for call in (sagemaker.describe_model_package, sagemaker.delete_model_package):
        assert refused(call, **first) == VALIDATION


def _register(aws: Aws, group: dict[str, str], image: str) -> str:
    aws.client("s3").put_object(Bucket=aws.bucket, Key="model.tar.gz", Body=b"x")
    container = {"Image": image, "ModelDataUrl": f"s3://{aws.bucket}/model.tar.gz"}
    inference: dict[str, Any] = {
        "Containers": [container],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    sagemaker = aws.client("sagemaker")
    registered = sagemaker.create_model_package(
        **group, InferenceSpecification=inference, ModelApprovalStatus="PendingManualApproval"
    )
    package = str(registered["ModelPackageArn"])
    aws.later(sagemaker.delete_model_package, ModelPackageName=package)
    return package
