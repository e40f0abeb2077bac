"""`mlops demo` tells the whole story and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local_account.authorization.replay import load
from tests.conftest import ROOT
from tests.e2e.conftest import synthesizing


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that work in or for `folder`."""
    listed = subprocess.run(
        ["ps", "-axo", "pid=,args="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def test_the_demo_tells_the_lab_s_story_and_leaves_no_process(tmp_path: Path) -> None:
    summary = _told(tmp_path)
    assert set(summary) == {"versions", "commits", "states", "phases", "wall_seconds"}
    versions = summary["versions"]
    assert [(each["number"], each["dataset"], each["gate"]) for each in versions] == [
        (1, "v1.0", "failed"),
        (2, "v1.0-retrain", "failed"),
        (3, "v1.0-retrain", "passed"),
        (4, "v1.1", "passed"),
    ]
    poor, better = (each["commit"] for each in summary["commits"])
    assert [each["commit"] for each in versions] == [poor, poor, better, better]
    _check_versions(summary)
    _check_commits(summary["commits"])

    page = (ROOT / "build/demo/index.html").read_text()
    assert page.count("<svg") == 4
    assert f"{poor[:7]} failed" in page
    assert "src=" not in page.replace('src="data:', ""), "the page loads nothing from elsewhere"
    assert _processes_of(tmp_path) == []
    accesses, _ = load(tmp_path / "account")
    assert [line for line in accesses if line["decision"] == "denied"] == []


def _told(home: Path) -> dict[str, Any]:
    """Run the demo and return its summary."""
    unset = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with synthesizing():
        done = subprocess.run(
            [sys.executable, "-m", "mlops", "demo"],
            cwd=ROOT,
            env={**unset, "MLOPS_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "waits: no run is started before there is an image" in done.stdout
    summary: dict[str, Any] = json.loads((ROOT / "build/demo/summary.json").read_text())
    return summary


def _check_versions(summary: dict[str, Any]) -> None:
    for version in summary["versions"]:
        assert set(version) == {
            *("number", "dataset", "metrics", "baseline", "gate", "approval_status"),
            *("commit", "image_digest", "execution_arn"),
        }
        assert version["approval_status"] == "PendingManualApproval"
        is_better = version["metrics"]["rmse"] < version["baseline"]["rmse"]
        assert is_better == (version["gate"] == "passed")
        states = [state["name"] for state in summary["states"][version["execution_arn"]]]
        assert states[0] == "PrepareRun"
        assert states[-1] == "RunSucceeded"
    digests = {each["commit"]: each["image_digest"] for each in summary["versions"]}
    assert len(set(digests.values())) == 2, "each commit has its image"
    assert all(digest.startswith("sha256:") for digest in digests.values())


def _check_commits(commits: list[dict[str, Any]]) -> None:
    for commit in commits:
        assert [(each["name"], each["status"]) for each in commit["stages"]] == [
            (stage, "Succeeded") for stage in ("Source", "Test", "Build", "Train")
        ]
