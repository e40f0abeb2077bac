"""A run is done again with what it used, or refused in one line that names what differs."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

import data
from mlops.errors import MismatchError, RequestError, ResponseError, ToolError
from mlops.reproduce import MARKER, Reproduction, _metrics, _prepare, _train, reproduce
from mlops.run_code import write_code
from mlops.run_inputs import InputFile, download_channels, manifest_files
from mlops.run_model import expected_sha256, model_sha256
from mlops.target import Deployment
from tests.unit.mlops.factories import START, run

TRAIN, OTHER = b"1,2\n", b"3,4\n"
ROOT = "s3://b/v1.0/"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(content: bytes, **more: str) -> bytes:
    file = {"key": "train/a.csv", "sha256": _sha256(content), "size": len(content), **more}
    return json.dumps({"schema": 1, "version": "v1.0", "files": [file]}).encode()


class _Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Any:
        return iter(lambda: self.read(size), b"")


class Bucket:
    """A versioned bucket: each key has contents, the oldest first."""

    def __init__(self, **objects: list[bytes]) -> None:
        self.objects = {"v1.0/_MANIFEST.json": objects["manifests"]}
        self.objects["v1.0/train/a.csv"] = objects["files"]

    def get_paginator(self, name: str) -> "Bucket":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        return [
            {
                "Versions": [
                    {
                        "Key": Prefix,
                        "VersionId": str(number),
                        "Size": len(content),
                        "LastModified": START + timedelta(minutes=number),
                    }
                    for number, content in enumerate(self.objects[Prefix])
                ]
            }
        ]

    def get_object(self, Bucket: str, Key: str, VersionId: str) -> dict[str, Any]:
        return {"Body": _Body(self.objects[Key][int(VersionId)])}


def _deployment(s3: Any = None, root: Path = Path(), **clients: Any) -> Deployment:
    target = SimpleNamespace(s3=s3, **clients)
    project = SimpleNamespace(root=root)
    known = {"bucket": "b", "repository_name": "models", "project": project, "target": target}
    return cast("Deployment", SimpleNamespace(env="dev", **known))


def _digest(content: bytes) -> str:
    return data.dataset_digest(
        [{"key": "train/a.csv", "sha256": _sha256(content), "size": len(content)}]
    )


def test_the_manifest_is_the_one_whose_data_the_run_trained_on() -> None:
    bucket = Bucket(manifests=[_manifest(TRAIN), _manifest(OTHER)], files=[])
    current = replace(run(), manifest_version_id="")
    (file,) = manifest_files(_deployment(bucket), current, _digest(TRAIN))
    assert (file.key, file.sha256, file.version_id) == ("train/a.csv", _sha256(TRAIN), None)


def test_a_manifest_that_is_gone_is_named() -> None:
    bucket = Bucket(manifests=[_manifest(OTHER)], files=[])
    with pytest.raises(MismatchError, match=r"v1.0/_MANIFEST.json: none of its 1 versions lists"):
        manifest_files(_deployment(bucket), run(), _digest(TRAIN))


def _download(bucket: Bucket, folder: Path, version_id: str | None = None) -> None:
    files = [InputFile("train/a.csv", _sha256(TRAIN), len(TRAIN), version_id)]
    channels = {"train": f"{ROOT}train/"}
    download_channels(_deployment(bucket), run(), files, channels, folder, lambda note: None)


@pytest.mark.parametrize("version_id", [None, "0"])
def test_a_file_that_was_replaced_since_is_found_by_its_digest(
    tmp_path: Path, version_id: str | None
) -> None:
    _download(Bucket(manifests=[], files=[TRAIN, OTHER]), tmp_path, version_id)
    assert (tmp_path / "train" / "a.csv").read_bytes() == TRAIN


@pytest.mark.parametrize(("files", "found"), [([OTHER], _sha256(OTHER)), ([b"x"], "no version of")])
def test_a_file_that_is_gone_is_named(tmp_path: Path, files: list[bytes], found: str) -> None:
    with pytest.raises(MismatchError, match=rf"s3://b/v1.0/train/a.csv: found .*{found}"):
        _download(Bucket(manifests=[], files=files), tmp_path)
    assert not (tmp_path / "train" / "a.csv").exists()


class Registry:
    """ECR with one image, whose layers are files that a URL leads to."""

    def __init__(self, folder: Path, *layers: dict[str, bytes]) -> None:
        self.folder, self.refused = folder, ""
        self.digests = [self._keep(_layer(files)) for files in layers]

    def _keep(self, content: bytes) -> str:
        digest = f"sha256:{_sha256(content)}"
        (self.folder / digest).write_bytes(content)
        return digest

    def batch_get_image(self, **request: Any) -> dict[str, Any]:
        assert request["repositoryName"] == "company/models"
        if request["imageIds"] != [{"imageDigest": IMAGE}]:
            return {"images": []}
        layers = [{"digest": each, "size": 1} for each in self.digests]
        return {"images": [{"imageManifest": json.dumps({"layers": layers})}]}

    def get_download_url_for_layer(self, repositoryName: str, layerDigest: str) -> dict[str, str]:
        if self.refused:
            raise ClientError({"Error": {"Code": self.refused, "Message": "no"}}, "Get")
        return {"downloadUrl": f"https://registry/{layerDigest}"}

    def open(self, url: str) -> io.BytesIO:
        return io.BytesIO((self.folder / url.rpartition("/")[2]).read_bytes())


IMAGE = "sha256:" + "ab" * 32
URI = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/company/models@{IMAGE}"
MAIN = "opt/program/model_code/__main__.py"
LOCK = "opt/program/model_code/requirements.lock"


def _layer(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _registry(folder: Path, monkeypatch: pytest.MonkeyPatch, *layers: dict[str, bytes]) -> Registry:
    registry = Registry(folder, *layers)
    monkeypatch.setattr("urllib.request.urlopen", registry.open)
    return registry


def test_the_code_is_that_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former, own = {MAIN: b"former", "usr/bin/x": b""}, {MAIN: b"own", LOCK: b"lock"}
    compiled = {"opt/program/model_code/__pycache__/a.pyc": b"compiled"}
    registry = _registry(tmp_path, monkeypatch, former, own, compiled)
    notes: list[str] = []
    write_code(_deployment(ecr=registry), URI, tmp_path / "out", notes.append)
    assert (tmp_path / "out/model_code/__main__.py").read_bytes() == b"own"
    assert (tmp_path / "out/model_code/requirements.lock").read_bytes() == b"lock"
    assert not (tmp_path / "out/usr").exists()
    assert notes == [f"code: out of the layers of image {IMAGE}"]


def _written(registry: Registry, folder: Path, uri: str = URI) -> None:
    write_code(_deployment(ecr=registry), uri, folder / "out", lambda note: None)


def test_an_image_that_is_gone_or_is_not_named_by_its_digest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = _registry(tmp_path, monkeypatch, {MAIN: b""})
    other = URI.replace("ab" * 32, "cd" * 32)
    with pytest.raises(MismatchError, match=r"has no image sha256:cdcd.* the same commit gives"):
        _written(registry, tmp_path, other)
    with pytest.raises(MismatchError, match="names no digest"):
        _written(registry, tmp_path, "host/company/models:tag")
    assert not (tmp_path / "out").exists()


def test_an_image_of_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = _registry(tmp_path, monkeypatch, {"opt/program/other.py": b""})
    with pytest.raises(MismatchError, match=f"holds no /{MAIN}"):
        _written(registry, tmp_path)


def test_a_layer_that_arrives_changed_or_leads_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = {MAIN: b"", "opt/program/../../../x": b""}
    with pytest.raises(ResponseError, match="leads out of its folder"):
        _written(_registry(tmp_path, monkeypatch, out), tmp_path)
    registry = _registry(tmp_path, monkeypatch, {MAIN: b""})
    (tmp_path / registry.digests[0]).write_bytes(_layer({MAIN: b"other"}))
    with pytest.raises(MismatchError, match="arrived as sha256:"):
        _written(registry, tmp_path)


@pytest.mark.parametrize("code", ["InternalFailure", "AccessDeniedException"])
def test_a_registry_that_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    registry = _registry(tmp_path, monkeypatch, {MAIN: b""})
    registry.refused = code
    with pytest.raises(ClientError, match=code):
        _written(registry, tmp_path)


def test_the_expected_digest_is_the_registered_version_s() -> None:
    properties = {"model_sha256": "abc"}
    sagemaker = SimpleNamespace(
        describe_model_package=lambda **request: {"CustomerMetadataProperties": properties}
    )
    history = SimpleNamespace(context={"registered": {"model_package_arn": "arn:g/3"}})
    deployment = _deployment(sagemaker=sagemaker)
    assert expected_sha256(deployment, cast("Any", history), {}) == ("abc", "model version 3")


def test_a_run_whose_training_failed_has_nothing_to_compare_with() -> None:
    job = {"TrainingJobName": "t", "TrainingJobStatus": "Failed"}
    history = SimpleNamespace(context={})
    with pytest.raises(RequestError, match="training job t is Failed"):
        expected_sha256(_deployment(), cast("Any", history), job)


def test_a_model_has_the_digest_that_its_description_gives(tmp_path: Path) -> None:
    (tmp_path / "model.ubj").write_bytes(TRAIN)
    (tmp_path / "model.json").write_text(json.dumps({"sha256": _sha256(TRAIN)}))
    assert model_sha256(tmp_path) == _sha256(TRAIN)
    (tmp_path / "model.ubj").write_bytes(OTHER)
    with pytest.raises(MismatchError, match="no file in"):
        model_sha256(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(MismatchError, match="expected the model's description"):
        model_sha256(tmp_path)


def test_a_run_that_did_not_train_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops import reproduce as module
    from mlops.history import History

    monkeypatch.setattr(module, "execution_history", lambda *_: History())
    with pytest.raises(RequestError, match="has started no training job"):
        reproduce(_deployment(), run(), Path("unused"), lambda note: None)


@pytest.mark.parametrize("name", ["training.log", "ml", "notes.txt"])
def test_a_folder_of_others_is_refused_whatever_it_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RequestError, match=f"{tmp_path} is not empty and has no {MARKER}"):
        _prepare(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_reproduction_removes_only_what_one_before_it_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    _prepare(folder)
    assert (folder / MARKER).is_file()
    written = [folder / name for name in ("ml/model/old", "program/old.py", "training.log")]
    for path in (*written, folder / "notes.txt"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    _prepare(folder)
    assert not any(path.exists() for path in written)
    assert (folder / "notes.txt").exists()
    assert (folder / "ml" / "input" / "data").is_dir()


def test_what_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    _prepare(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "program").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        _prepare(tmp_path)


def test_the_metrics_are_the_last_of_each(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("validation-rmse=3.5\nvalidation-rmse=2.25 train-rmse=1\n")
    definitions = [{"Name": "validation:rmse", "Regex": r"validation-rmse=(\S+)"}]
    job = {"AlgorithmSpecification": {"MetricDefinitions": definitions}}
    assert _metrics(job, tmp_path / "log") == {"validation:rmse": 2.25}


def _environment(root: Path, script: str) -> None:
    python = root / ".venv-container" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def test_training_gets_nothing_of_this_process_s_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    _environment(tmp_path, "env; echo $@")
    (tmp_path / "program").mkdir()
    notes: list[str] = []
    log = tmp_path / "log"
    _train(tmp_path, tmp_path / "ml", tmp_path / "program", log, notes.append)
    assert "AWS_" not in log.read_text()
    assert f"SAGEMAKER_BASE_DIR={tmp_path / 'ml'}" in log.read_text()
    assert "  | -m model_code train" in notes


def test_a_training_that_fails_is_an_error_with_its_log(tmp_path: Path) -> None:
    _environment(tmp_path, "echo no rows; exit 3")
    (tmp_path / "program").mkdir()
    log = tmp_path / "log"
    with pytest.raises(ToolError, match=rf"ended with 3; its log is {log}"):
        _train(tmp_path, tmp_path / "ml", tmp_path / "program", log, lambda note: None)
    assert log.read_text() == "no rows\n"


def test_the_verdict_says_equal_or_different() -> None:
    same = Reproduction("arn", "job", "image", "a", "a", "model version 1", "f", {"rmse": 2.25})
    assert same.equal
    assert same.lines()[-1].startswith("equal: ")
    other = replace(same, expected_sha256="b")
    assert not other.equal
    assert other.lines()[-1].startswith("DIFFERENT: ")
