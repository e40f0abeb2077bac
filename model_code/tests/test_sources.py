"""What an image is made from: its base, its packages, its commit."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from model_code.pipeline.base_image import base_image
from model_code.pipeline.bills import write_bill
from model_code.pipeline.commits import MESSAGE_CHARACTERS, from_clone
from model_code.pipeline.errors import PipelineError
from model_code.tests.conftest import REPOSITORY

DIGEST = 64 * "a"
HASH = f" \\\n    --hash=sha256:{DIGEST}\n    # via something\n"


def test_the_base_image_is_named_by_its_digest() -> None:
    assert "@sha256:" in base_image(REPOSITORY / "base-image.lock")


@pytest.mark.parametrize("name", ["buildspec.yml", "buildspec-test.yml"])
def test_stages_run_with_the_python_of_the_base_image(name: str) -> None:
    """Bills of materials list what a lock file installs with that one."""
    (built_with,) = re.findall(r'^ +python: "(.+)"$', (REPOSITORY / name).read_text(), re.MULTILINE)
    assert base_image(REPOSITORY / "base-image.lock").startswith(f"python:{built_with}-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python:3.12-slim\n", "found 'python:3.12-slim'"),
        (f"# python@sha256:{DIGEST}\n", "found 0 references"),
        (f"python@sha256:{DIGEST}\ndebian@sha256:{DIGEST}\n", "found 2 references"),
        ("python@sha256:abc\n", "found 'python@sha256:abc'"),
    ],
)
def test_a_base_image_that_may_change_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "base-image.lock").write_text(text)
    with pytest.raises(PipelineError, match=expected):
        base_image(tmp_path / "base-image.lock")


def test_a_bill_lists_what_the_lock_installs_here(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(f"one==1.0{HASH}two==2.0 ; sys_platform == 'never'{HASH}")
    assert write_bill(lock, tmp_path / "bill.json") == 1
    assert "pkg:pypi/one@1.0" in (tmp_path / "bill.json").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "installs nothing"),
        ("one==1.0\n", "one is not locked"),
        (f"one>=1.0{HASH}", "one is not locked"),
        ("./one\n", r"found '\./one'"),
    ],
)
def test_a_lock_that_leaves_something_open_is_refused(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "some.lock").write_text(text)
    with pytest.raises(PipelineError, match=expected):
        write_bill(tmp_path / "some.lock", tmp_path / "bill.json")


@pytest.mark.skipif(not shutil.which("git"), reason="git is not on PATH")
def test_a_clone_says_whose_commit_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = f'"Quoted" {"x" * MESSAGE_CHARACTERS}\n\nand more'
    who = ("-c", "user.name=Ada L", "-c", "user.email=ada@example.com")
    commit = ("commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", message)
    for command in (("init", "--quiet"), (*who, *commit)):
        subprocess.run(["git", *command], check=True)
    found = from_clone("HEAD")
    assert found.author == "Ada L <ada@example.com>"
    assert found.message == message[:MESSAGE_CHARACTERS]
    with pytest.raises(PipelineError, match="git does not know 0000"):
        from_clone(40 * "0")
