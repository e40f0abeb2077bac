"""Commits that must not come into use: one of each kind, and what is told of it."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.conftest import ROOT

_CODE = ROOT / "model_code"
_DOCKERFILE = (_CODE / "Dockerfile").read_text()
# a commit's own: Build's failures need not wait for the tests
_NO_TESTS = "version: 0.2\nphases: {build: {commands: ['touch junit.xml']}}\n"
_NO_TESTS += "artifacts: {files: [junit.xml]}\n"
_FLOOD = "yes 'the same line again and again' | head -c 1000000000"


class BadCommit(NamedTuple):
    """What a commit changes, the stage it fails in, and the parts of its cause."""

    files: Mapping[str, str | None]
    stage: str
    cause: tuple[str, ...]


def _model(*lines: str, imports: str = "") -> dict[str, str | None]:
    """Return `model.py` with lines before those that train."""
    text = (_CODE / "model.py").read_text()
    begin = "    settings: dict[str, object] = dict(hyperparameters)\n"
    assert begin in text
    added = "".join(f"    {line}\n" for line in lines)
    return {"model.py": text.replace(begin, added + begin).replace('"""\n\n', f'"""\n\n{imports}', 1)}


def _dockerfile(line: str) -> dict[str, str | None]:
    """Return the Dockerfile with a line before that which compiles the model's image."""
    assert "FROM base AS processing" in _DOCKERFILE
    text = _DOCKERFILE.replace("FROM base AS processing", f"{line}\nFROM base AS processing")
    return {"Dockerfile": text, "buildspec-test.yml": _NO_TESTS}


BAD_COMMITS = {
    "a syntax error": BadCommit(
        {"model.py": "def fit(:\n"}, "Test", ("model.py:1:9", "invalid-syntax")
    ),
    "a failing test": BadCommit(
        {"tests/test_a.py": "def test_two_and_two() -> None:\n    assert 2 + 2 == 5\n"},
        "Test",
        ("test_two_and_two", "assert (2 + 2) == 5"),
    ),
    "an import error": BadCommit(
        {"app.py": '"""The choice."""\n\nfrom model_code import modle as model\n\n__all__ = ["model"]\n'},
        "Test",
        ("cannot import name 'modle'",),
    ),
    "an exit before there is a model": BadCommit(
        _model("os._exit(0)", imports="import os\n"),
        "Test",
        ("`train` ended with exit code 0 but model/ has nothing",),
    ),
    "an endless loop": BadCommit(
        {
            **_model("while True:", "    pass"),
            "tests/job.py": (_CODE / "tests/job.py")
            .read_text()
            .replace("LIMIT_SECONDS = 45", "LIMIT_SECONDS = 8"),
        },
        "Test",
        ("`train` did not end within 8 s", "Look for a loop"),
    ),
    "a file outside the base directory": BadCommit(
        _model('Path("/var/tmp/left-behind").write_text("")', imports="from pathlib import Path\n"),
        "Test",
        ("`train` wrote /var/tmp/left-behind", "expected files below SAGEMAKER_BASE_DIR"),
    ),
    "a gigabyte of log": BadCommit(
        {"buildspec-test.yml": f'version: 0.2\nphases: {{build: {{commands: ["{_FLOOD}"]}}}}\n'},
        "Test",
        ("its log has over",),
    ),
    "no buildspec": BadCommit({"buildspec-test.yml": None}, "Test", ("buildspec-test.yml",)),
    "a buildspec that is none": BadCommit(
        {"buildspec.yml": "version: 0.2\nphases: [build\n", "buildspec-test.yml": _NO_TESTS},
        "Build",
        ("YAML_FILE_ERROR",),
    ),
    "an unknown instruction": BadCommit(_dockerfile("LOAD model"), "Build", ("LOAD",)),
    "a RUN that fails": BadCommit(_dockerfile("RUN ls /no/such/folder"), "Build", ("/no/such/folder",)),
}
