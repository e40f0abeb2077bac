"""Stage Build's commands around docker: what is pushed, and what a broken target leaves."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / "model_code"
COMMIT = "c0ffee" + 34 * "0"
TAGS = (COMMIT, f"{COMMIT}-processing")
PUSHES = [f"push registry/models:{tag}" for tag in TAGS]
DOCKER = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
[[ "$*" != *"$REFUSED"* ]]
"""


@dataclass(frozen=True)
class Stage:
    """The commands that build and push, with a docker that notes what it is asked."""

    folder: Path

    def run(self, pushed: str = "", refused: str = "never") -> tuple[int, list[str]]:
        """Run them; `refused` is what docker fails at."""
        spec = yaml.safe_load((FOLDER / "buildspec.yml").read_text())
        commands = [each for each in spec["phases"]["build"]["commands"] if ".sh " in each]
        docker = self.folder / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        (self.folder / "calls").touch()
        given = {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(self.folder / "calls"),
            "REFUSED": refused,
            "PUSHED_TAGS": pushed,
            "IMAGE_TAG": COMMIT,
            "REPOSITORY_URI": "registry/models",
            "BASE_IMAGE": "python",
            "SOURCE_DATE_EPOCH": "315532800",
        }
        script = "\n".join(commands)
        done = subprocess.run(["bash", "-e", "-c", script], cwd=FOLDER, env=given, check=False)
        return done.returncode, (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_both_targets_are_built_before_one_is_pushed(stage: Stage) -> None:
    status, calls = stage.run()
    assert status == 0
    assert [call.partition(" ")[0] for call in calls] == ["build", "build", "push", "push"]
    assert calls[2:] == PUSHES
    for call, target, tag in zip(calls[:2], ("model", "processing"), TAGS, strict=True):
        assert f"--target {target} --tag registry/models:{tag} ." in call


@pytest.mark.parametrize("target", ["model", "processing"])
def test_a_target_that_cannot_be_built_leaves_no_tag(stage: Stage, target: str) -> None:
    status, calls = stage.run(refused=f"--target {target}")
    assert status != 0
    assert not [call for call in calls if call.startswith("push")]


@pytest.mark.parametrize("tag", TAGS)
def test_a_retried_stage_pushes_what_is_missing(stage: Stage, tag: str) -> None:
    status, calls = stage.run(pushed=tag)
    assert status == 0
    assert [call.partition(" ")[0] for call in calls] == ["build", "push"]
    assert PUSHES[TAGS.index(tag)] not in calls


def test_a_retried_stage_builds_nothing_where_both_are_there(stage: Stage) -> None:
    assert stage.run(pushed=" ".join(TAGS)) == (0, [])
