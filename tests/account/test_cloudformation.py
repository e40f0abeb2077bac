"""Stacks create what their templates say, fail when a resource fails, and say which."""

import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.stacks import Template, change
from tests.conftest import RunningAccount

QUEUE = {"Type": "AWS::SQS::Queue"}


def _execute(
    account: RunningAccount, name: str, template: Template, kind: str = "CREATE", *parameters: Any
) -> Any:
    return change(account, name, template, kind, Parameters=parameters)


def _events(account: RunningAccount, name: str) -> list[tuple[str, str, str]]:
    events = account.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [
        (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", ""))
        for e in events
    ]


def test_a_bucket_gets_versioning_and_public_access_block(
    account: RunningAccount,
) -> None:
    block = dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    properties = {
        "VersioningConfiguration": {"Status": "Enabled"},
        "PublicAccessBlockConfiguration": block,
    }
    bucket = {"Type": "AWS::S3::Bucket", "Properties": properties}
    template = {"Resources": {"Data": bucket}, "Outputs": {"Name": {"Value": {"Ref": "Data"}}}}
    stack = _execute(account, "a-bucket", template)
    name, s3 = stack["Outputs"][0]["OutputValue"], account.client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] == block


def test_a_resource_that_fails_fails_and_rolls_back_its_stack(account: RunningAccount) -> None:
    policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": "no-such-bucket", "PolicyDocument": {"Statement": []}},
        "DependsOn": "Queue",
    }
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}}
    template = {"Resources": {"Policy": policy, "Queue": QUEUE}, "Outputs": outputs}
    assert _execute(account, "failing", template)["StackStatus"] == "ROLLBACK_COMPLETE"
    events = _events(account, "failing")
    failed = [event for event in events if event[1] == "CREATE_FAILED"]
    assert [event[0] for event in failed] == ["Policy"]
    assert "bucket does not exist" in failed[0][2]
    queues = account.client("sqs").list_queues(QueueNamePrefix="failing-").get("QueueUrls", [])
    assert queues == []


def test_a_resource_type_that_is_not_modelled_is_refused_by_name(account: RunningAccount) -> None:
    template = {"Resources": {"App": {"Type": "AWS::SageMaker::Domain", "Properties": {}}}}
    with pytest.raises(ClientError, match=r"Unrecognized.*\[AWS::SageMaker::Domain\]"):
        _execute(account, "unmodelled", template)


def test_depends_on_orders_what_a_change_set_creates(account: RunningAccount) -> None:
    resources = {"First": {**QUEUE, "DependsOn": ["Last"]}, "Last": QUEUE}
    _execute(account, "ordered", {"Resources": resources})
    created = [e[0] for e in reversed(_events(account, "ordered")) if e[1] == "CREATE_COMPLETE"]
    assert created.index("Last") < created.index("First")


def test_a_stack_imports_what_another_exports(account: RunningAccount) -> None:
    export = {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}, "Export": {"Name": "exported-queue"}}
    _execute(account, "exporter", {"Resources": {"Queue": QUEUE}, "Outputs": {"Arn": export}})
    imported = {"Value": {"Fn::ImportValue": "exported-queue"}}
    template = {"Resources": {"Other": QUEUE}, "Outputs": {"Arn": imported}}
    stack = _execute(account, "importer", template)
    assert ":exporter-Queue-" in stack["Outputs"][0]["OutputValue"]


def test_a_change_set_is_found_by_its_stack_and_name(account: RunningAccount) -> None:
    # the CDK CLI gives each stack's change set the same name, and waits for the old one to be gone
    cloudformation = account.client("cloudformation")

    def prepare(stack: str, kind: str, seconds: int) -> dict[str, str]:
        queue = {**QUEUE, "Properties": {"QueueName": stack, "VisibilityTimeout": seconds}}
        named = {"StackName": stack, "ChangeSetName": "same-name"}
        cloudformation.delete_change_set(**named)
        with pytest.raises(cloudformation.exceptions.ChangeSetNotFoundException):
            cloudformation.describe_change_set(**named)
        template = json.dumps({"Resources": {"Queue": queue}})
        cloudformation.create_change_set(**named, ChangeSetType=kind, TemplateBody=template)
        return named

    for stack in ("first-of-two", "second-of-two"):
        cloudformation.execute_change_set(**prepare(stack, "CREATE", 0))
    named = prepare("first-of-two", "UPDATE", 7)
    assert cloudformation.describe_change_set(**named)["StackName"] == "first-of-two"
    cloudformation.execute_change_set(**named)
    sqs, timeouts = account.client("sqs"), []
    for stack in ("first-of-two", "second-of-two"):
        url = sqs.get_queue_url(QueueName=stack)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        timeouts.append(answer["Attributes"]["VisibilityTimeout"])
    assert timeouts == ["7", "0"]


def test_an_update_changes_a_log_group_in_place(account: RunningAccount) -> None:
    def template(days: int) -> Template:
        properties = {"LogGroupName": "/updated", "RetentionInDays": days}
        return {"Resources": {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}}

    _execute(account, "updated", template(7))
    assert _execute(account, "updated", template(30), "UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix="/updated")["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [30]


def test_an_update_keeps_parameters_from_ssm_and_completes_buckets(
    account: RunningAccount,
) -> None:
    account.client("ssm").put_parameter(Name="/kept/value", Value="30", Type="String")

    def template(status: str) -> Template:
        tags = [{"Key": "status", "Value": status}]
        versioning = {"VersioningConfiguration": {"Status": status}, "Tags": tags}
        return {
            "Parameters": {
                "Kept": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/kept/value"}
            },
            "Resources": {"Data": {"Type": "AWS::S3::Bucket", "Properties": versioning}},
            "Outputs": {"Name": {"Value": {"Ref": "Data"}}, "Kept": {"Value": {"Ref": "Kept"}}},
        }

    kept = {"ParameterKey": "Kept", "UsePreviousValue": True}
    _execute(account, "kept-parameter", template("Enabled"))
    stack = _execute(account, "kept-parameter", template("Suspended"), "UPDATE", kept)
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert (stack["StackStatus"], outputs["Kept"]) == ("UPDATE_COMPLETE", "30")
    versioning = account.client("s3").get_bucket_versioning(Bucket=outputs["Name"])
    assert versioning["Status"] == "Suspended"
    tags = account.client("s3").get_bucket_tagging(Bucket=outputs["Name"])["TagSet"]
    assert tags == [{"Key": "status", "Value": "Suspended"}]


def test_an_update_that_failed_is_carried_out_when_it_is_tried_again(
    account: RunningAccount,
) -> None:
    def template(days: int, bucket: str) -> Template:
        log = {"LogGroupName": "/tried-again", "RetentionInDays": days}
        policy = {"Bucket": bucket, "PolicyDocument": {"Version": "2012-10-17", "Statement": []}}
        return {
            "Resources": {
                "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": policy},
                "Log": {"Type": "AWS::Logs::LogGroup", "Properties": log},
            }
        }

    account.client("s3").create_bucket(Bucket="tried-again-one")
    _execute(account, "tried-again", template(7, "tried-again-one"))
    wanted = template(30, "tried-again-two")
    failed = _execute(account, "tried-again", wanted, "UPDATE")
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    s3 = account.client("s3")
    s3.create_bucket(Bucket="tried-again-two")
    assert _execute(account, "tried-again", wanted, "UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert json.loads(s3.get_bucket_policy(Bucket="tried-again-two")["Policy"])["Statement"] == []


def test_a_deleted_stack_takes_its_resources_along(account: RunningAccount) -> None:
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}}
    stack = _execute(account, "deleted", {"Resources": {"Queue": QUEUE}, "Outputs": outputs})
    cloudformation = account.client("cloudformation")
    cloudformation.delete_stack(StackName="deleted")
    gone = cloudformation.describe_stacks(StackName=stack["StackId"])["Stacks"][0]
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert "QueueUrls" not in account.client("sqs").list_queues(QueueNamePrefix="deleted-")
    with pytest.raises(ClientError):
        cloudformation.describe_stacks(StackName="deleted")


def test_a_stack_that_cannot_be_deleted_stays_and_says_why(account: RunningAccount) -> None:
    group = {
        "Type": "AWS::SageMaker::ModelPackageGroup",
        "Properties": {"ModelPackageGroupName": "kept"},
    }
    _execute(account, "undeletable", {"Resources": {"Group": group}})
    sagemaker, cloudformation = account.client("sagemaker"), account.client("cloudformation")
    package = sagemaker.create_model_package(ModelPackageGroupName="kept")["ModelPackageArn"]
    cloudformation.delete_stack(StackName="undeletable")
    stack = cloudformation.describe_stacks(StackName="undeletable")["Stacks"][0]
    assert stack["StackStatus"] == "DELETE_FAILED"
    failed = [event for event in _events(account, "undeletable") if event[1] == "DELETE_FAILED"]
    assert {event[0] for event in failed} == {"Group", "undeletable"}

    sagemaker.delete_model_package(ModelPackageName=package)
    cloudformation.delete_stack(StackName="undeletable")
    with pytest.raises(ClientError):
        cloudformation.describe_stacks(StackName="undeletable")


def test_a_repository_that_may_be_emptied_is_deleted_with_its_images(
    account: RunningAccount,
) -> None:
    properties = {"RepositoryName": "emptied", "EmptyOnDelete": True}
    repository = {"Type": "AWS::ECR::Repository", "Properties": properties}
    _execute(account, "repository", {"Resources": {"Images": repository}})
    ecr = account.client("ecr")
    upload = ecr.initiate_layer_upload(repositoryName="emptied")["uploadId"]
    ecr.upload_layer_part(
        repositoryName="emptied",
        uploadId=upload,
        partFirstByte=0,
        partLastByte=1,
        layerPartBlob=b"{}",
    )
    digest = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    ecr.complete_layer_upload(repositoryName="emptied", uploadId=upload, layerDigests=[digest])
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "digest": digest,
            "size": 2,
            "mediaType": "application/vnd.docker.container.image.v1+json",
        },
        "layers": [],
    }
    ecr.put_image(repositoryName="emptied", imageManifest=json.dumps(manifest), imageTag="one")
    account.client("cloudformation").delete_stack(StackName="repository")
    with pytest.raises(ClientError, match="RepositoryNotFound"):
        ecr.describe_images(repositoryName="emptied")


def test_answers_and_refusals_have_one_request_id(account: RunningAccount) -> None:
    cloudformation = account.client("cloudformation")
    with pytest.raises(ClientError) as refused:
        cloudformation.describe_stacks(StackName="of-nobody")
    error: dict[str, Any] = {**refused.value.response["Error"]}
    assert error["Type"] == "Sender"
    for answer in (cloudformation.describe_stacks(), refused.value.response):
        known = answer["ResponseMetadata"]
        assert known["RequestId"] == known["HTTPHeaders"]["x-amzn-requestid"]
