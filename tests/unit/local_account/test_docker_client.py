"""The `docker` of builds: what it leaves out of a context, and what it refuses by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_account.image_builds import ImageBuilds
from local_account.image_builds.client import ignored


@pytest.mark.parametrize(
    ("rules", "left_out", "kept"),
    [
        ("tests\n", ["tests", "tests/a.py"], ["a/tests", "tests2"]),
        ("**/__pycache__\n", ["__pycache__", "a/b/__pycache__/x.pyc"], ["pycache"]),
        ("*.md\n!README.md\n", ["x.md"], ["README.md", "a/x.md"]),
        ("/a/*.t?t\n# b\n\n", ["a/x.txt"], ["x.txt", "# b", "a/b/x.txt"]),
        ("a/**\n!a/keep\n", ["a/b/c"], ["a/keep", "a"]),
        ("[ab].py\n", ["a.py"], ["c.py"]),
    ],
)
def test_what_dockerignore_leaves_out(rules: str, left_out: list[str], kept: list[str]) -> None:
    is_ignored = ignored(rules)
    assert [path for path in left_out if not is_ignored(path)] == []
    assert [path for path in kept if is_ignored(path)] == []


def _docker(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-IS", str(ImageBuilds.client), *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), **variables},
        input="",
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "x"), "does not model `run x`; it knows build, buildx build,"),
        (("build", "--push", "."), "--push is none of its options here"),
        (("build", "--secret", "id=x", "."), "--secret is none of its options here"),
        (("build", "--pull", "."), "--pull is not done here: give --pull=false"),
        (("build", "--provenance", "."), "give --provenance=false"),
        (("build", "--output", "type=oci", "."), "invalid choice: 'type=oci'"),
        (("build", "https://example.org/x.git"), "is no folder of this machine"),
        (("build", "."), "Dockerfile: no such Dockerfile"),
        (("login", "-u", "AWS", "registry"), "give the password by --password-stdin"),
        (("login", "-u", "AWS", "--password-stdin", "registry"), "standard input is empty"),
        (("images",), "Cannot connect to the Docker daemon at unix:///nowhere"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = _docker(*arguments, folder=tmp_path, DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
