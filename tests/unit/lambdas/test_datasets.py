"""How data set versions and the executions that they start are named."""

import re
from datetime import UTC, datetime

import pytest

from shared.datasets import (
    StoredManifest,
    dataset_version,
    execution_name,
    is_version,
    manifest_key,
    newest,
    slug,
)
from shared.errors import UploadInvalid

VERSIONS = ["v1.0", "v1.0-retrain", "2026_05_04", "A", "x" * 63, "runs2", "a..__--b"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_manifest_key_names_its_version(version: str) -> None:
    assert is_version(version)
    assert dataset_version("acme-data", manifest_key(version)) == version


@pytest.mark.parametrize(
    "key",
    [
        "_MANIFEST.json",
        "/_MANIFEST.json",
        "a/b/_MANIFEST.json",
        "a//_MANIFEST.json",
        "runs/_MANIFEST.json",
        "../_MANIFEST.json",
        ".hidden/_MANIFEST.json",
        "v1 0/_MANIFEST.json",
        "v1.0\n/_MANIFEST.json",
        "v1.0/_MANIFEST.json\n",
        "v1.0/_MANIFEST.json.bak",
        "v%2E0/_MANIFEST.json",
        "ü/_MANIFEST.json",
        f"{'x' * 64}/_MANIFEST.json",
    ],
)
def test_any_other_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(UploadInvalid) as caught:
        dataset_version("acme-data", key)
    assert f"s3://acme-data/{key}: expected <version>/_MANIFEST.json" in str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
def test_execution_names_are_such_that_step_functions_accepts(version: str) -> None:
    name = execution_name("acme-data", manifest_key(version), "v-1")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
    assert name.startswith(slug(version)[:39])


def test_another_upload_has_another_execution_name_and_the_same_upload_the_same() -> None:
    key = manifest_key("v1.0")
    names = [
        execution_name("acme-data", key, "v-1"),
        execution_name("acme-data", key, "v-2"),
        execution_name("acme-data", manifest_key("v1-0"), "v-1"),
        execution_name("other", key, "v-1"),
        execution_name("acme-data", key, None, etag="e-1"),
        execution_name("acme-data", key, None, etag="e-2"),
    ]
    assert len(set(names)) == len(names)
    assert execution_name("acme-data", key, "v-1", etag="e-1") == names[0]
    assert execution_name("acme-data", key, "null", etag='"e-1"') == names[4]


def test_the_newest_version_is_that_whose_manifest_was_written_last() -> None:
    days = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3)]
    manifests = [StoredManifest(*each) for each in zip(("v9", "v1", "v5"), days, strict=True)]
    assert newest(manifests) == "v5"
    assert newest([*manifests, StoredManifest("v6", days[2])]) == "v6"
    assert newest([]) is None
