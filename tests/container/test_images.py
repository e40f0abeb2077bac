"""The real Dockerfile, built and run: both targets, as root and hardened, against plain processes.

The base image is made of this machine's Python, so digests here are not those of the pipeline.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model_code.tests.rows import write_version
from tests.container.engine import EPOCH, Engine, Image, usable_driver
from tests.container.jobs import (
    ENTRYPOINT,
    ROOT,
    AsRoot,
    Hardened,
    Runner,
    in_process,
    outputs,
    prepare,
)

TARGETS = ("model", "processing")
DOCKER_V2 = "application/vnd.docker.distribution.manifest.v2+json"
NEEDED = [name for name in ("buildah", "bwrap") if not shutil.which(name)]

pytestmark = [
    pytest.mark.skipif(bool(NEEDED), reason=f"{', '.join(NEEDED)} is not on PATH"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts images, for which it must be root"),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="images-", dir="/var/tmp") as folder:
        engine = Engine(Path(folder), usable_driver(Path(folder)))
        yield engine
        engine.close()


@pytest.fixture(scope="module")
def built(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """Each target, built twice without cache; the second time from another checkout."""
    again = tmp_path_factory.mktemp("again") / "ModelCode"
    # another folder, other dates, other order of the files
    shutil.copytree(ROOT / "model_code", again, copy_function=shutil.copyfile)
    contexts = {"first": ROOT / "model_code", "second": again}
    wanted = [(name, target) for name in contexts for target in TARGETS]
    assert engine.base
    with ThreadPoolExecutor(2) as pool:
        images = pool.map(
            lambda each: engine.build(contexts[each[0]], each[1], "-".join(each)), wanted
        )
        return {image.name: image for image in images}


@pytest.fixture(scope="module")
def images(built: dict[str, Image]) -> dict[str, Image]:
    return {target: built[f"first-{target}"] for target in TARGETS}


@pytest.fixture(scope="module")
def containers(engine: Engine, images: dict[str, Image]) -> dict[str, str]:
    return {
        name: engine.run("from", "--pull-never", f"localhost/{image.name}").strip()
        for name, image in images.items()
    }


@pytest.fixture(scope="module")
def folders(engine: Engine, containers: dict[str, str]) -> dict[str, Path]:
    """Each image's files, as a container of it sees them."""
    return {name: Path(engine.run("mount", each).strip()) for name, each in containers.items()}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version")
    write_version(folder)
    return folder


@pytest.fixture(scope="module")
def expected(version: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run_all(tmp_path_factory.mktemp("process"), version, in_process)


def run_all(base: Path, version: Path, run: Runner) -> dict[str, bytes]:
    lines = (version / "validation/validation.csv").read_text().splitlines()
    rows = "\n".join(line.rpartition(",")[0] for line in lines)
    prepare(base, version, rows)
    return outputs(base, run)


def test_as_root_an_image_gives_the_bytes_of_a_plain_process(
    engine: Engine,
    containers: dict[str, str],
    version: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    assert run_all(tmp_path, version, AsRoot(engine, containers)) == expected
    assert {"model/model.ubj", "processing/output/evaluation/evaluation.json"} <= expected.keys()
    served = json.loads(expected["served"])
    assert [status for status, _ in served["answers"]] == [200, 200]
    assert served["exit_code"] == 0


def test_hardened_it_gives_the_same_bytes(
    folders: dict[str, Path],
    images: dict[str, Image],
    version: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    hardened = Hardened(folders, images)
    tried = (
        "import os, socket\n"
        "print(os.getuid(), os.access('/opt/program', os.W_OK), len(socket.if_nameindex()))"
    )
    assert hardened(tmp_path, "model", "python", "-c", tried) == "65534 False 1\n"
    assert run_all(tmp_path, version, hardened) == expected


@pytest.mark.parametrize("target", TARGETS)
def test_a_second_build_without_cache_has_the_same_digest(
    built: dict[str, Image], target: str
) -> None:
    assert built[f"second-{target}"].digest == built[f"first-{target}"].digest


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_what_sagemaker_takes(images: dict[str, Image], target: str) -> None:
    image = images[target]
    assert image.manifest["mediaType"] == DOCKER_V2
    assert image.config["architecture"] == "amd64"
    config = image.config["config"]
    assert config["Entrypoint"] == list(ENTRYPOINT)
    assert not config.get("User")
    assert f"SOURCE_DATE_EPOCH={EPOCH}" in config["Env"]
    assert config["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_the_program_and_nothing_beside_it(
    folders: dict[str, Path], target: str
) -> None:
    program = folders[target] / "opt/program/model_code"
    found = {path.relative_to(program).as_posix() for path in program.rglob("*") if path.is_file()}
    sources = {name for name in found if "__pycache__" not in name}
    package = ROOT / "model_code"
    code = {path.name for path in package.glob("*.py")}
    code |= {f"runtime/{path.name}" for path in (package / "runtime").glob("*.py")}
    locks = {"requirements.lock", "requirements-processing.lock"}
    assert sources == code | locks | {"contract.toml"}
    assert len(found) == len(sources) + len(code), "every module is compiled"
