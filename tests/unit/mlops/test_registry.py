"""Images are pushed blob by blob, and runs use the newest complete pair."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops.errors import ResponseError
from mlops.image import Image, build_image
from mlops.registry import PushedImage, newest_tag, push_image
from mlops.target import Deployment
from tests.unit.mlops.factories import START


class Repository:
    """ECR as far as a push needs it."""

    def __init__(self, available: tuple[bytes, ...] = (), digest: str = "") -> None:
        self.available, self.digest = available, digest
        self.uploaded: list[bytes] = []
        self.calls: list[str] = []

    def batch_check_layer_availability(self, **request: Any) -> dict[str, Any]:
        known = "AVAILABLE" if self.available else "UNAVAILABLE"
        return {"layers": [{"layerAvailability": known}]}

    def initiate_layer_upload(self, **request: Any) -> dict[str, Any]:
        self.calls.append("initiate")
        return {"uploadId": "1"}

    def upload_layer_part(self, **request: Any) -> None:
        assert request["partLastByte"] - request["partFirstByte"] + 1 == len(
            request["layerPartBlob"]
        )
        self.uploaded.append(request["layerPartBlob"])

    def complete_layer_upload(self, **request: Any) -> None:
        self.calls.append("complete")

    def put_image(self, **request: Any) -> dict[str, Any]:
        self.calls.append(f"put {request['imageTag']}")
        return {"image": {"imageId": {"imageDigest": self.digest}}}


def _deployment(repository: Repository) -> Deployment:
    target = SimpleNamespace(ecr=repository)
    return cast("Deployment", SimpleNamespace(target=target, repository_name="models"))


@pytest.fixture
def image() -> Image:
    return build_image({"model_code/__main__.py": b""}, "model-code")


def test_blobs_go_before_the_manifest(image: Image) -> None:
    repository = Repository(digest=image.digest)
    push_image(_deployment(repository), image, "abc")
    assert repository.uploaded == [image.layer, image.config]
    assert repository.calls == ["initiate", "complete", "initiate", "complete", "put abc"]


def test_blobs_that_are_there_are_not_sent_again(image: Image) -> None:
    repository = Repository(available=(image.layer,), digest=image.digest)
    push_image(_deployment(repository), image, "abc")
    assert repository.uploaded == []


def test_another_digest_than_the_image_s_is_an_error(image: Image) -> None:
    with pytest.raises(ResponseError, match="expected sha256:"):
        push_image(_deployment(Repository(digest="sha256:other")), image, "abc")


def test_the_newest_pair_counts_and_half_a_pair_does_not() -> None:
    pushed = {
        tag: PushedImage(tag, f"sha256:{tag}", START + timedelta(minutes=minutes))
        for tag, minutes in {
            **{"old": 0, "old-processing": 1},
            **{"new": 2, "new-processing": 3},
            "half": 9,
        }.items()
    }
    assert newest_tag(pushed) == "new"
    assert newest_tag({}) is None
