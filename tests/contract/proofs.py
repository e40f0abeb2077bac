"""Which contract test proves what: `python -m tests.contract.proofs` writes PARITY.md."""

import json
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from local_account.parity import DOCUMENT
from local_account.parity.document import Proof, written

ROOT = Path(__file__).parents[2]
VERIFIED = Path(__file__).with_name("verified.json")
_MARK = "contract test proves: "


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell what the collected tests prove (this module is a plugin of the run below)."""
    for item in session.items:
        for mark in item.iter_markers("contract"):
            print(f"{_MARK}{json.dumps([item.nodeid, list(mark.args)])}")


@cache
def collected() -> dict[str, list[Proof]]:
    """Return the tests that prove each operation and property.

    Raises
    ------
    RuntimeError
        If the tests cannot be collected.
    """
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:xdist"]
    plugin = ["-p", "tests.contract.proofs", "-s", "tests/contract"]
    done = subprocess.run([*command, *plugin], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"contract tests cannot be collected:\n{done.stdout}{done.stderr}")
    results = json.loads(VERIFIED.read_text()) if VERIFIED.exists() else {}
    proofs: dict[str, list[Proof]] = defaultdict(list)
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            test, names = json.loads(line.removeprefix(_MARK))
            result = results.get(test, {})
            verified = result["date"] if result.get("outcome") == "passed" else ""
            short = test.removeprefix("tests/contract/").replace("|", "\\|")
            for name in names:
                proofs[name].append(Proof(short, verified))
    return dict(proofs)


def document() -> str:
    """Return what PARITY.md must say."""
    return written(collected())


if __name__ == "__main__":
    (ROOT / DOCUMENT).write_text(document(), encoding="utf-8")
    print(f"wrote {DOCUMENT}")
