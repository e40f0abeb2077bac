"""The build and the functions of the pipeline mean the same by a version and by the newest one."""

from datetime import UTC, datetime

import pytest

from model_code.pipeline import datasets
from model_code.tests.aws import FakeAws
from shared import datasets as of_functions

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
NAMES = [
    *("v1.0", "v1.0-retrain", "A", "9", "a..__--b", "runs2", "Runs", "x" * 63),
    *("runs", "x" * 64, ".hidden", "_v", "-v", "v 1", "v+1", "vé", "v1\n", ""),
]


def of_build(written: dict[str, datetime]) -> str | None:
    aws = FakeAws()
    aws.objects = {f"{name}/{datasets.MANIFEST_NAME}": at for name, at in written.items()}
    client: object = aws
    return datasets.newest_dataset(client, "data")  # type: ignore[arg-type]


def test_a_manifest_has_the_same_name() -> None:
    assert of_functions.MANIFEST_NAME == datasets.MANIFEST_NAME
    assert of_functions.RESERVED_VERSION == datasets.RESERVED_VERSION


@pytest.mark.parametrize("name", NAMES)
def test_the_same_names_are_versions(name: str) -> None:
    assert (of_build({name: EARLY}) is not None) == of_functions.is_version(name)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"a": LATE, "b": EARLY}, "a"),
        ({"a": EARLY, "b": LATE}, "b"),
        ({"a": LATE, "b": LATE, "A": LATE}, "b"),
        ({"v1.9": LATE, "v1.10": LATE}, "v1.9"),
        ({}, None),
    ],
)
def test_the_same_version_is_the_newest(written: dict[str, datetime], expected: str | None) -> None:
    stored = [of_functions.StoredManifest(name, at) for name, at in written.items()]
    assert of_build(written) == of_functions.newest(stored) == expected
