"""What stage Build says after the push, and when it says nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from model_code.pipeline import release
from model_code.pipeline.errors import PipelineError
from model_code.pipeline.images import DOCKER_V2
from model_code.pipeline.settings import Settings
from model_code.tests.aws import DIGESTS, FakeAws
from model_code.tests.conftest import REPOSITORY

COMMIT = "c0ffee" + 34 * "0"
SETTINGS = Settings("registry/models", "models", "/project/dev/image", "data", "ModelCode", COMMIT)
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws(COMMIT)
    monkeypatch.setattr("boto3.client", fake.client)
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("requirements.lock", "requirements-processing.lock"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    (tmp_path / "scan-allowed.toml").write_text("")
    return tmp_path


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_parameter_names_both_images_and_whose_commit_they_are(
    aws: FakeAws, folder: Path
) -> None:
    release.release(SETTINGS, folder)
    assert json.loads(aws.parameters["/project/dev/image"]) == {
        "training": f"registry/models@{DIGESTS[0]}",
        "processing": f"registry/models@{DIGESTS[1]}",
        "commit": COMMIT,
        "author": "Ada <ada@example.com>",
        "message": 'Say "less"',
    }
    assert read(folder / "image.json") == json.loads(aws.parameters["/project/dev/image"])


def test_stage_train_gets_the_newest_data(aws: FakeAws, folder: Path) -> None:
    release.release(SETTINGS, folder)
    expected = read(folder / "image.json")
    written = read(folder / "train.json")
    assert written.pop("image") == {name: expected[name] for name in ("training", "processing")}
    assert written == {
        "trigger": "code",
        "dataset": "v1.1",
        **{name: expected[name] for name in ("commit", "author", "message")},
    }


def test_stage_train_is_told_where_there_is_no_data(aws: FakeAws, folder: Path) -> None:
    aws.objects.clear()
    release.release(SETTINGS, folder)
    assert read(folder / "train.json")["dataset"] is None


def test_only_manifests_of_versions_are_data(aws: FakeAws, folder: Path) -> None:
    late = datetime(2030, 1, 1, tzinfo=UTC)
    for key in ("runs/_MANIFEST.json", "v9/train/train.csv", "v8/_MANIFEST.json.old"):
        aws.objects[key] = late
    release.release(SETTINGS, folder)
    assert read(folder / "train.json")["dataset"] == "v1.1"


def test_each_image_has_a_bill_of_materials(aws: FakeAws, folder: Path) -> None:
    release.release(SETTINGS, folder)
    names = {each["name"] for each in read(folder / "sbom-model.json")["components"]}
    assert "numpy" in names
    assert "pandas" not in names
    processing = {each["name"] for each in read(folder / "sbom-processing.json")["components"]}
    assert processing > names


def test_digests_are_exported(aws: FakeAws, folder: Path) -> None:
    release.release(SETTINGS, folder)
    lines = (folder / "image.env").read_text().splitlines()
    assert lines == [f"IMAGE_DIGEST={DIGESTS[0]}", f"PROCESSING_DIGEST={DIGESTS[1]}"]


@pytest.mark.parametrize("problem", ["absent", "oci", "finding"])
def test_a_refused_image_is_not_announced(aws: FakeAws, folder: Path, problem: str) -> None:
    if problem == "absent":
        del aws.images[f"{COMMIT}-processing"]
    elif problem == "oci":
        aws.media_type = OCI
    else:
        aws.findings = [{"name": "CVE-2026-1", "severity": "CRITICAL", "attributes": []}]
    expected = {
        "absent": f"{COMMIT}-processing is not in the repository",
        "oci": f"a manifest of type {OCI}; expected {DOCKER_V2}",
        "finding": "critical finding CVE-2026-1",
    }
    with pytest.raises(PipelineError, match=expected[problem].replace("+", r"\+")):
        release.release(SETTINGS, folder)
    assert aws.parameters == {}
    assert not (folder / "train.json").exists()


def test_the_log_of_a_refused_image_has_entries_that_allow_both(
    aws: FakeAws, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.findings = [{"name": "CVE-2026-1", "severity": "CRITICAL", "attributes": []}]
    with pytest.raises(PipelineError, match=rf"^{COMMIT}: .* \(2 such\)"):
        release.release(SETTINGS, folder)
    said = capsys.readouterr().out
    (folder / "scan-allowed.toml").write_text(said[said.index("[[allowed]]") :])
    release.release(SETTINGS, folder)
    assert aws.parameters


def test_an_error_is_the_last_line_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEBUILD_RESOLVED_SOURCE_VERSION", "main")
    with pytest.raises(SystemExit) as ended:
        release.main()
    assert "'main'; expected a commit of 40 hexadecimal digits" in str(ended.value)
    assert str(ended.value).count("\n") == 0


def test_variables_that_are_missing_are_named() -> None:
    with pytest.raises(PipelineError, match="REPOSITORY_URI is not set"):
        Settings.from_environment({"CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT})
