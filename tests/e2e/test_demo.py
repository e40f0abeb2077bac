"""`mlops demo` tells the whole story and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local_account.authorization.replay import load
from tests.conftest import ROOT
from tests.e2e.conftest import synthesizing


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that work in or for `folder`."""
    listed = subprocess.run(
        ["ps", "-axo", "pid=,args="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def test_the_demo_registers_three_versions_that_pass_and_leaves_no_process(tmp_path: Path) -> None:
    unset = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with synthesizing():
        done = subprocess.run(
            [sys.executable, "-m", "mlops", "demo"],
            cwd=ROOT,
            env={**unset, "MLOPS_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr

    summary = json.loads((ROOT / "build/demo/summary.json").read_text())
    assert set(summary) == {"versions", "states", "phases", "wall_seconds"}
    versions = summary["versions"]
    assert [each["dataset"] for each in versions] == ["v1.0", "v1.0-retrain", "v1.1"]
    assert [each["number"] for each in versions] == [1, 2, 3]
    for version in versions:
        assert set(version) == {
            *("number", "dataset", "metrics", "baseline", "gate", "approval_status"),
            *("image_digest", "execution_arn"),
        }
        assert version["gate"] == "passed"
        assert version["approval_status"] == "PendingManualApproval"
        assert version["metrics"]["rmse"] < version["baseline"]["rmse"]
        assert version["image_digest"].startswith("sha256:")
        states = [state["name"] for state in summary["states"][version["execution_arn"]]]
        assert states[0] == "PrepareRun"
        assert states[-1] == "RunSucceeded"

    page = (ROOT / "build/demo/index.html").read_text()
    assert page.count("<svg") >= 3
    assert "src=" not in page.replace('src="data:', ""), "the page loads nothing from elsewhere"
    assert _processes_of(tmp_path) == []
    accesses, _ = load(tmp_path / "account")
    assert [line for line in accesses if line["decision"] == "denied"] == []
