"""The folder is a repository of its own: what it may import and what its images are made of."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / "model_code"
LEAN = {"numpy", "polars", "uvicorn", "xgboost"}
PROCESSING = {"pandas", "sklearn"}
IN_IMAGES = sorted([*FOLDER.glob("*.py"), *FOLDER.glob("runtime/*.py")])
BESIDE = sorted([*FOLDER.glob("pipeline/*.py"), *FOLDER.glob("tests/**/*.py")])
# Of the stages: the AWS API and its types, tests, bills of materials.
BUILDING = {"boto3", "botocore", "cyclonedx", "mypy_boto3_codecommit", "mypy_boto3_ecr"}
BUILDING |= {"mypy_boto3_s3", "packageurl", "packaging", "pytest"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and path.parent.name == "pipeline":
                continue  # where it is run, nothing is called model_code
            assert node.level == 0, f"{path} imports relatively"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", IN_IMAGES, ids=lambda path: path.name)
def test_only_locked_libraries_are_imported(path: Path) -> None:
    found = set(imported(path)) - set(sys.stdlib_module_names) - {"model_code"}
    allowed = LEAN | PROCESSING if path.name == "evaluate.py" else LEAN
    assert found <= allowed


@pytest.mark.parametrize("path", BESIDE, ids=lambda path: path.name)
def test_tests_and_stages_import_what_their_lock_has(path: Path) -> None:
    found = set(imported(path)) - set(sys.stdlib_module_names) - {"model_code"}
    assert found <= LEAN | BUILDING


def locked(name: str) -> dict[str, str]:
    text = (FOLDER / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_the_lean_image_has_neither_pandas_nor_scikit_learn() -> None:
    assert not {"pandas", "scikit-learn"} & locked("requirements.lock").keys()
    assert {"pandas", "scikit-learn"} <= locked("requirements-processing.lock").keys()


def test_both_images_have_the_same_versions() -> None:
    lean, processing = locked("requirements.lock"), locked("requirements-processing.lock")
    assert lean.items() <= processing.items()


def test_stage_test_has_the_libraries_of_the_images() -> None:
    processing, build = locked("requirements-processing.lock"), locked("requirements-build.lock")
    for name in ("numpy", "polars", "uvicorn", "xgboost-cpu", "pandas", "scikit-learn"):
        assert build[name] == processing[name]


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-processing.lock", "requirements-build.lock"]
)
def test_locks_have_hashes_and_name_no_registry(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", text):
        assert "--hash=sha256:" in entry, entry.partition("\n")[0]


def test_the_base_image_has_no_default() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    assert "ARG BASE_IMAGE" in lines
    froms = [line for line in lines if line.startswith("FROM ")]
    assert froms[0] == "FROM ${BASE_IMAGE} AS base"
    assert {line.split()[-1] for line in froms} == {"base", "model", "processing"}


def test_the_build_context_holds_the_sources_only() -> None:
    lines = (FOLDER / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if not line.startswith("#")]
    assert patterns[0] == "*"
    assert all(pattern.startswith("!") for pattern in patterns[1:])


@pytest.mark.parametrize("name", ["buildspec.yml", "buildspec-test.yml"])
def test_a_failing_command_fails_its_build(name: str) -> None:
    """A pipe hides the first command's end, and an assignment in `export` its own."""
    phases = yaml.safe_load((FOLDER / name).read_text())["phases"]
    commands = [each for phase in phases.values() for each in phase["commands"]]
    for command in commands:
        if " | " in command:
            assert command.startswith("set -o pipefail\n"), command
        assert not re.search(r"export \w+=\S*\$\(", command), command


def test_both_stages_start_from_scripts_that_stop_at_the_first_error() -> None:
    for path in FOLDER.glob("pipeline/*.sh"):
        assert "\nset -euo pipefail\n" in path.read_text(), path.name
