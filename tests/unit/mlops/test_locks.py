"""An environment is compared with the lock it was installed from."""

from pathlib import Path

import pytest

from mlops.doctor import FAIL, OK, check_environment
from mlops.locks import differences, locked_versions

LOCK = """\
alpha==1.0 \\
    --hash=sha256:00
    # via -r run.in
Beta_two==2.0 ; python_full_version >= '3.11' \\
    --hash=sha256:00
gamma==3.0 ; sys_platform == 'nowhere' \\
    --hash=sha256:00
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run.lock").write_text(LOCK)
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    for name, version in (("alpha", "1.0"), ("beta-two", "1.9")):
        metadata = packages / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    return tmp_path


def test_only_what_holds_here_is_asked_for(root: Path) -> None:
    versions = locked_versions(root / "run.lock", "3.11.7")
    assert versions == {"alpha": "1.0", "beta-two": "2.0"}


def test_a_difference_names_package_and_versions(root: Path) -> None:
    assert differences(root / ".venv", root / "run.lock") == ["beta-two 1.9, expected 2.0"]


def test_doctor_says_how_to_mend_it(root: Path) -> None:
    finding = check_environment(root, ".venv", "run.lock")
    assert (finding.status, finding.found) == (FAIL, "beta-two 1.9, expected 2.0")
    assert finding.remedy == "remove .venv and run `make setup`"


def test_doctor_names_an_environment_that_is_absent(root: Path) -> None:
    assert check_environment(root, ".venv-other", "run.lock").status == FAIL


def test_doctor_is_content_with_what_the_lock_names(root: Path) -> None:
    (root / "run.lock").write_text("alpha==1.0\n")
    assert check_environment(root, ".venv", "run.lock").status == OK
