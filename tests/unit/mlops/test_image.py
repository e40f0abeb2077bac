"""The image of the model code is the same for the same sources, and a real v2s2 image."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from mlops.errors import ProjectError
from mlops.image import build_image, content_tag, source_files

FILES = {"model_code/__main__.py": b"print()\n", "model_code/contract.toml": b"x = 1\n"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "model_code"
    for name in ("__main__.py", "runtime/train.py", "contract.toml", "requirements.lock"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    for name in ("__pycache__/a.py", ".hidden/b.py", "notes.md", "Dockerfile", "requirements.in"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("left out")
    return tmp_path


def test_only_sources_contract_and_locks_go_in(project: Path) -> None:
    assert list(source_files(project)) == [
        "model_code/__main__.py",
        "model_code/contract.toml",
        "model_code/requirements.lock",
        "model_code/runtime/train.py",
    ]


def test_the_same_files_in_any_order_give_the_same_bytes() -> None:
    turned = dict(reversed(list(FILES.items())))
    assert build_image(FILES, "base") == build_image(turned, "base")


def test_times_and_modes_of_files_do_not_matter(project: Path) -> None:
    before = build_image(source_files(project), "base").digest
    file = project / "model_code" / "contract.toml"
    file.chmod(0o600)
    file.touch()
    assert build_image(source_files(project), "base").digest == before


def test_each_base_environment_has_an_image_of_its_own() -> None:
    images = {build_image(FILES, base).digest for base in ("model-code", "model-code-processing")}
    assert len(images) == 2


def test_the_image_is_what_its_digests_say() -> None:
    image = build_image(FILES, "model-code")
    manifest, config = json.loads(image.manifest), json.loads(image.config)
    archive = gzip.decompress(image.layer)
    assert image.digest == f"sha256:{hashlib.sha256(image.manifest).hexdigest()}"
    assert manifest["layers"][0]["digest"] == f"sha256:{hashlib.sha256(image.layer).hexdigest()}"
    assert manifest["config"]["size"] == len(image.config)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(archive).hexdigest()}"]
    assert config["config"]["Labels"] == {"org.opencontainers.image.base.name": "model-code"}
    with tarfile.open(fileobj=io.BytesIO(archive)) as layer:
        assert layer.getnames() == sorted(f"opt/program/{path}" for path in FILES)
        assert {member.mtime for member in layer} == {0}


def test_the_gzip_header_holds_no_time_and_no_system() -> None:
    layer = build_image(FILES, "base").layer
    assert layer[3:8] == bytes(5)
    assert layer[9] == 255


def test_the_tag_changes_with_the_sources_and_with_the_dockerfile(project: Path) -> None:
    tag = content_tag(project, source_files(project))
    assert len(tag) == 12
    (project / "model_code" / "Dockerfile").write_text("FROM other")
    changed = content_tag(project, source_files(project))
    assert changed != tag
    (project / "model_code" / "contract.toml").write_text("other")
    assert content_tag(project, source_files(project)) not in (tag, changed)


def test_a_folder_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no __main__.py"):
        source_files(tmp_path)
