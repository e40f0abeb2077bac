"""A layer is downloaded from the address that the registry gives, and from no other."""

import hashlib
import http.client
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.conftest import RunningAccount

CONTENT = b"a layer"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
REPOSITORY = {"repositoryName": "downloads"}
SIZE = 256 * 1024 * 1024  # more than the account has had until then


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


def test_a_layer_that_is_downloaded_is_not_held_in_memory(
    account: RunningAccount, url: str
) -> None:
    kept = account.log.parent / "state/registry" / DIGEST.removeprefix("sha256:")
    try:
        os.truncate(kept, SIZE)
        before = _most_memory(account.process.pid)
        assert len(_got(url)[1]) == SIZE
        assert _most_memory(account.process.pid) - before < SIZE // 2
    finally:
        kept.write_bytes(CONTENT)


def _most_memory(pid: int) -> int:
    """Return the most bytes that a process has had so far."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        pytest.skip("this machine does not say how much memory a process has had")
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


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
