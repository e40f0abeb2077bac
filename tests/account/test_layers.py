"""A layer is downloaded from the address that the registry gives, and from no other."""

import hashlib
import http.client
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.conftest import RunningAccount

CONTENT = b"a layer"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
REPOSITORY = {"repositoryName": "downloads"}


@pytest.fixture(scope="module")
def url(account: RunningAccount) -> str:
    ecr = account.client("ecr")
    ecr.create_repository(**REPOSITORY)
    upload = ecr.initiate_layer_upload(**REPOSITORY)["uploadId"]
    place = {**REPOSITORY, "uploadId": upload}
    last = len(CONTENT) - 1
    ecr.upload_layer_part(**place, partFirstByte=0, partLastByte=last, layerPartBlob=CONTENT)
    ecr.complete_layer_upload(**place, layerDigests=[DIGEST])
    answer = ecr.get_download_url_for_layer(**REPOSITORY, layerDigest=DIGEST)
    assert answer["layerDigest"] == DIGEST
    return str(answer["downloadUrl"])


def _got(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    status, body = answer.status, answer.read()
    connection.close()
    return status, body


def test_the_address_leads_to_the_bytes_without_credentials(url: str) -> None:
    assert _got(url) == (200, CONTENT)


@pytest.mark.parametrize(
    ("part", "other"),
    [("sha256:", "sha256:0"), ("expires=", "expires=9"), ("signature=", "signature=0")],
)
def test_an_address_that_was_changed_leads_nowhere(url: str, part: str, other: str) -> None:
    assert _got(url.replace(part, other))[0] == 403


def test_a_layer_that_is_not_there_has_no_address(account: RunningAccount, url: str) -> None:
    absent = f"sha256:{'0' * 64}"
    with pytest.raises(ClientError, match="LayersNotFoundException"):
        account.client("ecr").get_download_url_for_layer(**REPOSITORY, layerDigest=absent)
