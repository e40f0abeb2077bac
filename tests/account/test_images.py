"""Images: what the registry keeps and refuses, and what may become a container."""

import hashlib
import json
import os
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.images import ImageError, ImageNotFound, Images
from local_account.limits import MIB
from local_account.service import Account
from tests.account.sagemaker_fixture import (
    digest_of,
    layer,
    manifest_of,
    push_blob,
    push_image,
)
from tests.conftest import CACHE, RunningAccount

REPOSITORY = "images"


@pytest.fixture(scope="module")
def ecr(account: RunningAccount) -> Any:
    client = account.client("ecr")
    client.create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
    return client


@pytest.fixture
def images(account: RunningAccount) -> Iterator[Images]:
    contact = {name: value for name, value in account.contact.items() if name != "pid"}
    state = account.log.parent / "state"
    yield Images(Account(**contact, state=state, cache=CACHE))


def _program(text: str) -> bytes:
    return layer({"opt/program/main.py": text.encode()})


def _refused(ecr: Any, operation: str, **params: Any) -> str:
    with pytest.raises(ClientError) as refused:
        getattr(ecr, operation)(repositoryName=REPOSITORY, **params)
    code: str = refused.value.response["Error"]["Code"]
    return code


def test_the_digest_of_an_image_is_that_of_its_manifest(ecr: Any) -> None:
    uri = push_image(ecr, REPOSITORY, "digest", _program("1"))
    answer = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": "digest"}])
    (image,) = answer["images"]
    digest = f"sha256:{hashlib.sha256(image['imageManifest'].encode()).hexdigest()}"
    assert image["imageId"]["imageDigest"] == digest == uri.rpartition("@")[2]
    described = ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageDigest": digest}])[
        "imageDetails"
    ]
    assert [found["imageTags"] for found in described] == [["digest"]]


def test_an_immutable_tag_stays_where_it_is(ecr: Any) -> None:
    push_image(ecr, REPOSITORY, "fixed", _program("1"))
    with pytest.raises(ecr.exceptions.ImageTagAlreadyExistsException, match="is immutable"):
        push_image(ecr, REPOSITORY, "fixed", _program("2"))
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        push_image(ecr, REPOSITORY, "fixed", _program("1"))


def test_an_image_may_have_several_tags(ecr: Any) -> None:
    assert push_image(ecr, REPOSITORY, "one", _program("x")) == push_image(
        ecr, REPOSITORY, "two", _program("x")
    )


def test_an_image_of_missing_layers_is_refused(ecr: Any) -> None:
    config = push_blob(ecr, REPOSITORY, b"{}")
    manifest = manifest_of(config, [{"digest": digest_of(b"never uploaded"), "size": 1}])
    assert _refused(ecr, "put_image", imageManifest=manifest) == "LayersNotFoundException"


def test_what_is_no_manifest_is_refused(ecr: Any) -> None:
    assert _refused(ecr, "put_image", imageManifest="[]") == "InvalidParameterException"


def test_a_digest_that_is_not_the_contents_is_refused(ecr: Any) -> None:
    upload = ecr.initiate_layer_upload(repositoryName=REPOSITORY)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=REPOSITORY,
        uploadId=upload,
        partFirstByte=0,
        partLastByte=1,
        layerPartBlob=b"ab",
    )
    wrong = [digest_of(b"other")]
    code = _refused(ecr, "complete_layer_upload", uploadId=upload, layerDigests=wrong)
    assert code == "InvalidLayerException"


def test_layers_are_there_once_uploaded(ecr: Any) -> None:
    push_blob(ecr, REPOSITORY, b"there")
    answer = ecr.batch_check_layer_availability(
        repositoryName=REPOSITORY, layerDigests=[digest_of(b"there"), digest_of(b"not there")]
    )
    assert [found["layerAvailability"] for found in answer["layers"]] == ["AVAILABLE"]
    assert [found["failureCode"] for found in answer["failures"]] == ["MissingLayerDigest"]


def test_a_pulled_image_has_its_code_and_configuration(ecr: Any, images: Images) -> None:
    uri = push_image(ecr, REPOSITORY, "pulled", _program("print(1)"))
    image = images.pull(uri, ecr)
    assert (image.program / "main.py").read_text() == "print(1)"
    assert image.entrypoint == ["python", "/opt/program/main.py"]
    assert image.environment["FROM_IMAGE"] == "yes"
    assert images.pull(uri.partition("@")[0] + ":pulled", ecr) == image


@pytest.mark.parametrize(
    "uri",
    [
        "{registry}/images:absent",
        "{registry}/absent@sha256:" + "0" * 64,
        "999999999999.dkr.ecr.us-east-1.amazonaws.com/images:pulled",
        "python:3.11",
    ],
)
def test_an_image_that_is_absent(ecr: Any, images: Images, uri: str) -> None:
    registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    with pytest.raises(ImageNotFound):
        images.resolve(uri.format(registry=registry))


@pytest.mark.parametrize(
    ("tag", "blob", "expected"),
    [
        ("outside", layer({"etc/passwd": b"x"}), "etc/passwd is outside /opt/program"),
        ("up", layer({"opt/program/../../../x": b"x"}), "cannot be extracted"),
        ("absolute", layer({"/opt/program/x": b"x"}), "is outside /opt/program"),
        ("garbage", b"no archive at all", "cannot be extracted"),
    ],
)
def test_a_layer_that_is_unsafe_is_not_extracted(
    ecr: Any, images: Images, tag: str, blob: bytes, expected: str
) -> None:
    uri = push_image(ecr, REPOSITORY, tag, blob)
    with pytest.raises(ImageError, match=expected):
        images.pull(uri, ecr)


def test_an_image_has_bounds(ecr: Any, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = push_image(ecr, REPOSITORY, "large", _program("x" * 4096))
    monkeypatch.setattr("local_account.images._MAX_BYTES", 1024)
    with pytest.raises(ImageError, match="over 1024 bytes"):
        images.pull(uri, ecr)
    monkeypatch.setattr("local_account.images._MAX_LAYERS", 0)
    with pytest.raises(ImageError, match="has 1 layers, expected at most 0"):
        images.pull(uri, ecr)


@pytest.mark.parametrize("key", ["0123456789abcdef", "../../etc"])
def test_an_environment_that_is_not_in_the_store_is_named(
    ecr: Any, images: Images, key: str
) -> None:
    uri = push_image(ecr, REPOSITORY, key.replace("/", "-"), _program("3"), environment=key)
    with pytest.raises(ImageError, match=rf"'{key}'.*is not in .*Build the image again"):
        images.pull(uri, ecr)


def test_a_layer_is_not_held_in_memory(account: RunningAccount, ecr: Any, images: Images) -> None:
    blob = _program("large")
    uri = push_image(ecr, REPOSITORY, "large-layer", blob)
    kept = account.log.parent / "state/registry" / digest_of(blob).removeprefix("sha256:")
    os.truncate(kept, 64 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="missing or damaged"):
            images.pull(uri, ecr)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_a_damaged_layer_is_noticed(account: RunningAccount, ecr: Any, images: Images) -> None:
    blob = _program("damaged")
    uri = push_image(ecr, REPOSITORY, "damaged", blob)
    kept = account.log.parent / "state/registry" / digest_of(blob).removeprefix("sha256:")
    kept.write_bytes(json.dumps("other").encode())
    with pytest.raises(ImageError, match="missing or damaged"):
        images.pull(uri, ecr)
