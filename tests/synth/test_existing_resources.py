"""A bucket, a key, a repository that exist already: used everywhere, changed nowhere."""

import json

from tests.synth import variants
from tests.synth.assembly import Assembly, listed, of_type, resolved

TYPES = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key", "AWS::ECR::Repository")


def test_what_exists_is_neither_created_nor_changed(existing: Assembly) -> None:
    for template in existing.templates.values():
        for resource_type in TYPES:
            assert of_type(template, resource_type) == {}


def test_outputs_are_those_of_an_own_bucket_key_and_repository(
    dev: Assembly, existing: Assembly
) -> None:
    def names(assembly: Assembly) -> set[str]:
        outputs = assembly.storage["Outputs"]
        return {name for name in outputs if not name.startswith("Export")}

    assert names(existing) == names(dev)
    values = {name: output["Value"] for name, output in existing.storage["Outputs"].items()}
    assert values["BucketName"] == variants.BUCKET
    assert values["KeyArn"] == variants.KEY
    assert values["RepositoryName"] == variants.REPOSITORY
    assert resolved(values["RepositoryUri"]).endswith(f"/{variants.REPOSITORY}")


def test_the_training_stack_takes_nothing_from_the_storage_stack(existing: Assembly) -> None:
    assert "Fn::ImportValue" not in json.dumps(existing.training)


def test_rules_listen_to_the_bucket_that_exists(existing: Assembly) -> None:
    patterns = [
        rule["EventPattern"] for rule in of_type(existing.training, "AWS::Events::Rule").values()
    ]
    of_s3 = [pattern for pattern in patterns if pattern["source"] == ["aws.s3"]]
    assert of_s3
    for pattern in of_s3:
        assert pattern["detail"]["bucket"]["name"] == [variants.BUCKET]


def test_the_pipeline_keeps_its_artifacts_in_the_bucket_that_exists(existing: Assembly) -> None:
    (pipeline,) = of_type(existing.model_code, "AWS::CodePipeline::Pipeline").values()
    store = pipeline["ArtifactStore"]
    assert store["Location"] == variants.BUCKET
    assert store["EncryptionKey"] == {"Id": variants.KEY, "Type": "KMS"}
    for project in of_type(existing.model_code, "AWS::CodeBuild::Project").values():
        assert project["EncryptionKey"] == variants.KEY


def test_images_are_pushed_to_the_repository_that_exists(existing: Assembly) -> None:
    variables = {
        each["Name"]: resolved(each["Value"])
        for project in of_type(existing.model_code, "AWS::CodeBuild::Project").values()
        for each in project["Environment"]["EnvironmentVariables"]
    }
    assert variables["REPOSITORY_NAME"] == variants.REPOSITORY
    assert variables["REPOSITORY_URI"].endswith(f"/{variants.REPOSITORY}")
    assert variables["DATA_BUCKET"] == variants.BUCKET


def test_queue_table_and_topic_are_encrypted_with_the_key_that_exists(existing: Assembly) -> None:
    (queue,) = of_type(existing.training, "AWS::SQS::Queue").values()
    assert queue["KmsMasterKeyId"] == variants.KEY
    (topic,) = of_type(existing.training, "AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == variants.KEY
    (table,) = of_type(existing.training, "AWS::DynamoDB::Table").values()
    assert table["SSESpecification"]["KMSMasterKeyId"] == variants.KEY


def test_roles_use_the_key_that_exists_and_no_other(existing: Assembly) -> None:
    for template in (existing.training, existing.model_code):
        for policy in of_type(template, "AWS::IAM::Policy").values():
            for statement in policy["PolicyDocument"]["Statement"]:
                if str(listed(statement["Action"])[0]).startswith("kms:"):
                    assert listed(statement["Resource"]) == [variants.KEY]
