"""Secrets that would be committed, and bills of materials."""

import json
import os
import subprocess
import time
from pathlib import Path

from checks.repository import bills_of_materials, secrets

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
LOCK = """one==1.0 \\
    --hash=sha256:0a30ef8f5322a4173720ae6712dc9a5e58f5a19868f3f167b4b5778db066c2b5
"""


def test_a_secret_is_found_before_it_is_committed(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "one.py").write_text(f'A = 1\nKEY = "{KEY}"\n')
    (tmp_path / "two.py").write_text(f'KEY = "{KEY}"  # pragma: allowlist secret\n')
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    (tmp_path / "ignored.py").write_text(f'KEY = "{KEY}"\n')
    assert {(each.resource, each.rule) for each in secrets(tmp_path)} == {
        ("one.py:2", "AWS Access Key")
    }


def test_each_lock_has_a_bill_that_is_made_anew_when_it_changes(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "run.lock"
    lock.write_text(LOCK)
    packages = {"": {}, "node_modules/@scope/two": {"version": "2.0"}}
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": packages}))
    made = bills_of_materials(tmp_path, tmp_path / "sbom")
    assert [path.name for path in made] == ["requirements-run.json", "package-lock.json"]
    python, npm = (json.loads(path.read_text()) for path in made)
    assert [(each["name"], each["version"]) for each in python["components"]] == [("one", "1.0")]
    assert [each["purl"] for each in npm["components"]] == ["pkg:npm/%40scope/two@2.0"]

    lock.write_text(LOCK.replace("1.0", "1.1"))
    later = time.time() + 5
    os.utime(lock, (later, later))
    python = json.loads(bills_of_materials(tmp_path, tmp_path / "sbom")[0].read_text())
    assert [each["version"] for each in python["components"]] == ["1.1"]
