"""Commits that must not come into use: one of each kind, and what is told of it."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.conftest import ROOT

_CODE = ROOT / "model_code"
_DOCKERFILE = (_CODE / "Dockerfile").read_text()
# a commit's own: Build's failures need not wait for the tests
NO_TESTS = "version: 0.2\nphases: {build: {commands: ['touch junit.xml']}}\n"
NO_TESTS += "artifacts: {files: [junit.xml]}\n"
_FLOOD = "yes 'the same line again and again' | head -c 1000000000"


class BadCommit(NamedTuple):
    """What a commit changes, the stage it fails in, and the parts of its cause."""

    files: Mapping[str, str | None]
    stage: str
    cause: tuple[str, ...]


def _model(imported: str, *lines: str) -> dict[str, str | None]:
    """Return `model.py` with an import (or none), and with lines before those that train."""
    text = (_CODE / "model.py").read_text()
    collections, begin = "from collections.abc import", "    settings: dict[str, object] = "
    assert collections in text
    assert begin in text
    text = text.replace(collections, f"{imported}\n{collections}", 1)
    return {"model.py": text.replace(begin, "".join(f"    {line}\n" for line in lines) + begin)}


def other_model(name: str) -> dict[str, str | None]:
    """Return `model.py` with a comment: the same model in another image."""
    return {"model.py": (_CODE / "model.py").read_text() + f"# {name}\n"}


def raising(text: str) -> dict[str, str | None]:
    """Return `model.py` that fails to train with a text."""
    return _model("", f'raise ValueError("{text}")')


def _with_limit(seconds: int) -> dict[str, str | None]:
    """Return the tests with less patience."""
    text, limit = (_CODE / "tests/job.py").read_text(), "LIMIT_SECONDS = 45\n"
    assert limit in text
    return {"tests/job.py": text.replace(limit, f"LIMIT_SECONDS = {seconds}\n")}


def _dockerfile(line: str) -> dict[str, str | None]:
    """Return the Dockerfile with a line before that which compiles the model's image."""
    assert "FROM base AS processing" in _DOCKERFILE
    text = _DOCKERFILE.replace("FROM base AS processing", f"{line}\nFROM base AS processing")
    return {"Dockerfile": text, "buildspec-test.yml": NO_TESTS}


BAD_COMMITS = {
    "a syntax error": BadCommit({"model.py": "def fit(:\n"}, "Test", ("model.py:1:9", "syntax")),
    "a failing test": BadCommit(
        {"tests/test_a.py": "def test_two_and_two() -> None:\n    assert 2 + 2 == 5\n"},
        "Test",
        ("tests/test_a.py::test_two_and_two", "assert (2 + 2) == 5"),
    ),
    "an import error": BadCommit(
        {"app.py": (_CODE / "app.py").read_text().replace("import model", "import modle as model")},
        "Test",
        ("cannot import name 'modle' from 'model_code'",),
    ),
    "an exit before there is a model": BadCommit(
        _model("import os", "os._exit(0)"),
        "Test",
        ("`train` ended with exit code 0 but model/ has nothing",),
    ),
    "an endless loop": BadCommit(
        {**_model("import time", "while True:", "    time.sleep(0.1)"), **_with_limit(8)},
        "Test",
        ("`train` did not end within 8 s", "Look for a loop"),
    ),
    "a file outside the base directory": BadCommit(
        _model("import pathlib", 'pathlib.Path("/srv/left-behind").write_text("")'),
        "Test",
        ("`train` wrote /srv/left-behind", "expected files below SAGEMAKER_BASE_DIR"),
    ),
    "a gigabyte of log": BadCommit(
        {"buildspec-test.yml": f'version: 0.2\nphases: {{build: {{commands: ["{_FLOOD}"]}}}}\n'},
        "Test",
        ("was killed: ", " log"),
    ),
    "no buildspec": BadCommit(
        {"buildspec-test.yml": None}, "Test", ("buildspec-test.yml: no such file or directory",)
    ),
    "a buildspec that is none": BadCommit(
        {"buildspec.yml": "version: 0.2\nphases: [build\n", "buildspec-test.yml": NO_TESTS},
        "Build",
        ("YAML_FILE_ERROR", "at line 3"),
    ),
    "an unknown instruction": BadCommit(
        _dockerfile("LOAD model"), "Build", ("ERROR: Dockerfile:33: LOAD model",)
    ),
    "a RUN that fails": BadCommit(
        _dockerfile("RUN ls /no/such/folder"),
        "Build",
        ("ERROR: Dockerfile:33:", "ls /no/such/folder", "exit code: 2"),
    ),
}
