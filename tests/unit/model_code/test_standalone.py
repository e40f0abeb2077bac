"""The folder is a repository of its own: what it may import and what its images are made of."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "model_code"
LEAN = {"numpy", "polars", "uvicorn", "xgboost"}
PROCESSING = {"pandas", "sklearn"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_only_locked_libraries_are_imported(path: Path) -> None:
    found = set(imported(path)) - set(sys.stdlib_module_names) - {"model_code"}
    allowed = LEAN | PROCESSING if path.name == "evaluate.py" else LEAN
    assert found <= allowed


def locked(name: str) -> dict[str, str]:
    text = (FOLDER / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_the_lean_image_has_neither_pandas_nor_scikit_learn() -> None:
    assert not {"pandas", "scikit-learn"} & locked("requirements.lock").keys()
    assert {"pandas", "scikit-learn"} <= locked("requirements-processing.lock").keys()


def test_both_images_have_the_same_versions() -> None:
    lean, processing = locked("requirements.lock"), locked("requirements-processing.lock")
    assert lean.items() <= processing.items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-processing.lock"])
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
    patterns = (FOLDER / ".dockerignore").read_text().split()
    assert patterns[0] == "*"
    assert all(pattern.startswith("!") for pattern in patterns[1:])
