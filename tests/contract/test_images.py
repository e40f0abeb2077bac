"""ECR."""

import json

import pytest

from tests.contract.account import Aws, refused
from tests.contract.images import model_image, push, without_layer

MISSING = "RepositoryNotFoundException"


@pytest.mark.contract(
    *("ecr:CreateRepository", "ecr:DescribeRepositories", "ecr:DeleteRepository"),
    *("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"),
    *("ecr:BatchCheckLayerAvailability", "ecr:PutImage", "ecr:BatchGetImage"),
    *("ecr:DescribeImages", "ecr:ListImages", "ecr:BatchDeleteImage"),
)
def test_a_repository_and_its_images(aws: Aws) -> None:
    ecr, image = aws.client("ecr"), model_image()
    repository = {"repositoryName": f"contract/{aws.prefix}"}
    made = ecr.create_repository(**repository, imageTagMutability="IMMUTABLE")["repository"]
    aws.later(ecr.delete_repository, **repository, force=True)
    assert refused(ecr.create_repository, **repository) == "RepositoryAlreadyExistsException"
    names = {"repositoryNames": [repository["repositoryName"]]}
    (found,) = ecr.describe_repositories(**names)["repositories"]
    assert (found["repositoryUri"], found["imageTagMutability"]) == (
        made["repositoryUri"],
        "IMMUTABLE",
    )
    digest = push(ecr, repository["repositoryName"], image, "v1")
    assert digest == image.digest
    layers = ecr.batch_check_layer_availability(
        **repository, layerDigests=[_layer(image.manifest.decode()), f"sha256:{'0' * 64}"]
    )
    available = [each for each in layers["layers"] if each["layerAvailability"] == "AVAILABLE"]
    assert [each["layerDigest"] for each in available] == [_layer(image.manifest.decode())]
    by_tag = {"imageIds": [{"imageTag": "v1"}]}
    (got,) = ecr.batch_get_image(**repository, **by_tag)["images"]
    assert (got["imageManifest"], got["imageId"]["imageDigest"]) == (
        image.manifest.decode(),
        digest,
    )
    (described,) = ecr.describe_images(**repository, **by_tag)["imageDetails"]
    assert (described["imageDigest"], described["imageTags"]) == (digest, ["v1"])
    assert ecr.list_images(**repository)["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]

    again = {"imageManifest": image.manifest.decode(), "imageTag": "v1"}
    assert refused(ecr.put_image, **repository, **again) == "ImageAlreadyExistsException"
    hollow = {"imageManifest": without_layer(image), "imageTag": "v2"}
    assert refused(ecr.put_image, **repository, **hollow) == "LayersNotFoundException"
    absent = {"imageIds": [{"imageTag": "v9"}]}
    assert refused(ecr.describe_images, **repository, **absent) == "ImageNotFoundException"
    failed = ecr.batch_get_image(**repository, **absent)
    assert [each["failureCode"] for each in failed["failures"]] == ["ImageNotFound"]
    assert refused(ecr.delete_repository, **repository) == "RepositoryNotEmptyException"
    ecr.batch_delete_image(**repository, **by_tag)
    assert ecr.list_images(**repository)["imageIds"] == []
    ecr.delete_repository(**repository)
    for call in (ecr.delete_repository, ecr.list_images, ecr.initiate_layer_upload):
        assert refused(call, **repository) == MISSING


def _layer(manifest: str) -> str:
    return str(json.loads(manifest)["layers"][0]["digest"])
