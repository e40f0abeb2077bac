"""ECR's scans: what is installed in an image against the advisories of the state folder."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.environments import folder_of, key_of
from tests.account.sagemaker_fixture import (
    LOCK,
    digest_of,
    layer,
    manifest_of,
    push_blob,
    push_image,
    until,
)
from tests.conftest import CACHE, RunningAccount

REPOSITORY = "scanned"


def _advisory(package: str, version: str, severity: str = "CRITICAL") -> dict[str, str]:
    found = {"id": f"CVE-2026-{package}", "package": package, "version": version}
    return {**found, "severity": severity, "fixed_in": "99"}


def _numpy() -> str:
    """The version that is installed in the environment of the tests' images."""
    environment = folder_of(CACHE, key_of(LOCK.read_bytes()))
    folders = [str(path) for path in environment.glob("lib/python*/site-packages")]
    (version,) = (d.version for d in distributions(path=folders) if d.name == "numpy")
    return version


@pytest.fixture
def ecr(account: RunningAccount) -> Iterator[Any]:
    client = account.client("ecr")
    client.create_repository(
        repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": True}
    )
    yield client
    client.delete_repository(repositoryName=REPOSITORY, force=True)


@pytest.fixture
def advisories(account: RunningAccount) -> Iterator[Path]:
    path = account.log.parent / "state/advisories.json"
    yield path
    path.unlink(missing_ok=True)


def _scanned(ecr: Any, tag: str) -> dict[str, Any]:
    image = {"repositoryName": REPOSITORY, "imageId": {"imageTag": tag}}

    def ended() -> dict[str, Any] | None:
        answer: dict[str, Any] = ecr.describe_image_scan_findings(**image)
        return None if answer["imageScanStatus"]["status"] == "IN_PROGRESS" else answer

    found: dict[str, Any] = until(ended)
    return found


def test_a_push_is_scanned_for_what_is_installed(ecr: Any, advisories: Path) -> None:
    listed = [
        _advisory("NumPy", _numpy()),
        _advisory("pip", "*", "LOW"),
        _advisory("numpy", "0.1"),
        _advisory("absent", "*"),
    ]
    advisories.write_text(json.dumps(listed))
    push_image(ecr, REPOSITORY, "v1", layer({"opt/program/main.py": b"1"}))
    found = _scanned(ecr, "v1")
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    findings = found["imageScanFindings"]
    assert findings["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 1}
    (critical,) = (each for each in findings["findings"] if each["severity"] == "CRITICAL")
    assert critical["name"] == "CVE-2026-NumPy"
    assert {each["key"]: each["value"] for each in critical["attributes"]} == {
        "package_name": "numpy",
        "package_version": _numpy(),
    }
    (image,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
    assert image["imageScanStatus"]["status"] == "COMPLETE"
    counts = image["imageScanFindingsSummary"]["findingSeverityCounts"]
    assert counts == findings["findingSeverityCounts"]


def test_without_advisories_nothing_is_found(ecr: Any) -> None:
    push_image(ecr, REPOSITORY, "v1", layer({"opt/program/main.py": b"1"}))
    findings = _scanned(ecr, "v1")["imageScanFindings"]
    assert (findings.get("findings"), findings["findingSeverityCounts"]) == ([], {})


def test_packages_of_an_image_with_its_own_root(ecr: Any, advisories: Path) -> None:
    advisories.write_text(json.dumps([_advisory("some-package", "1.2")]))
    files = {"usr/lib/python3/Some_Package-1.2.dist-info/METADATA": b"Name: Some_Package"}
    blobs = [push_blob(ecr, REPOSITORY, layer(files))]
    manifest = manifest_of(push_blob(ecr, REPOSITORY, b'{"config": {}}'), blobs)
    ecr.put_image(repositoryName=REPOSITORY, imageManifest=manifest, imageTag="own")
    found = _scanned(ecr, "own")
    assert found["imageId"]["imageDigest"] == digest_of(manifest.encode())
    assert found["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is no JSON"),
        ('[{"id": "x"}]', "entry 0 is .*expected id, severity, package"),
        (json.dumps([_advisory("x", "1", "BAD")]), "entry 0 is .*with a severity of"),
    ],
)
def test_advisories_that_cannot_be_read_fail_the_scan(
    ecr: Any, advisories: Path, text: str, expected: str
) -> None:
    advisories.write_text(text)
    push_image(ecr, REPOSITORY, "v1", layer({"opt/program/main.py": b"1"}))
    status = _scanned(ecr, "v1")["imageScanStatus"]
    assert status["status"] == "FAILED"
    assert re.search(expected, status["description"])


def test_an_environment_that_is_gone_fails_the_scan(ecr: Any) -> None:
    program = layer({"opt/program/main.py": b"1"})
    push_image(ecr, REPOSITORY, "v1", program, environment="0123456789abcdef")
    status = _scanned(ecr, "v1")["imageScanStatus"]
    assert (status["status"], "is not in the store" in status["description"]) == ("FAILED", True)


def test_a_scan_by_hand_is_once_a_day(ecr: Any) -> None:
    off = {"scanOnPush": False}
    ecr.put_image_scanning_configuration(repositoryName=REPOSITORY, imageScanningConfiguration=off)
    push_image(ecr, REPOSITORY, "v1", layer({"opt/program/main.py": b"1"}))
    image = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v1"}}
    assert _refused(ecr.describe_image_scan_findings, **image) == "ScanNotFoundException"
    assert ecr.start_image_scan(**image)["imageScanStatus"]["status"] == "IN_PROGRESS"
    assert _scanned(ecr, "v1")["imageScanStatus"]["status"] == "COMPLETE"
    assert _refused(ecr.start_image_scan, **image) == "LimitExceededException"
    absent = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "absent"}}
    assert _refused(ecr.start_image_scan, **absent) == "ImageNotFoundException"


def _refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**params)
    code: str = refused.value.response["Error"]["Code"]
    return code
