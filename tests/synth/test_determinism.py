"""The same bytes wherever and whenever the project is synthesized.

`MLOPS_PYTHONS` names further Pythons to compare with this one, as PATH names folders.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.synth.assembly import ROOT, Assembly, run_app

ELSEWHERE = {
    "TZ": "Asia/Tokyo",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "PYTHONHASHSEED": "7",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "PIP_NO_INDEX": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",  # pragma: allowlist secret
    "AWS_SECRET_ACCESS_KEY": "another's",  # pragma: allowlist secret
    "AWS_REGION": "eu-central-1",
    "AWS_PROFILE": "another",
    "CDK_DEFAULT_ACCOUNT": "999999999999",
    "CDK_DEFAULT_REGION": "eu-central-1",
}


@cache
def without_network() -> tuple[str, ...]:
    """Return what runs a command without a network, nothing where that is not allowed."""
    command = ("unshare", "--net", "--map-root-user")
    tried = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True)
    return command if tried and tried.returncode == 0 else ()


def interpreters() -> list[str]:
    """Return this Python and those of `$MLOPS_PYTHONS`, which have the project's requirements."""
    return [sys.executable, *filter(None, os.environ.get("MLOPS_PYTHONS", "").split(os.pathsep))]


def moved(folder: Path) -> Path:
    """A copy of what synthesis reads, and of the packages, without the archive made of them."""
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("stacks", "lambdas", "model_code"):
        shutil.copytree(ROOT / name, folder / name, ignore=hidden)
    for name in ("app.py", "mlops.toml"):
        shutil.copy(ROOT / name, folder)
    for packages in (ROOT / ".cache" / "lambdas").glob("packages-*"):
        shutil.copytree(packages, folder / ".cache" / "lambdas" / packages.name)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.mark.parametrize(
    "alone", [without_network()], ids=["no network" if without_network() else "the same network"]
)
def test_another_place_time_zone_and_account_change_nothing(
    dev: Assembly, tmp_path: Path, alone: tuple[str, ...]
) -> None:
    (tmp_path / "home").mkdir()
    variables = {**ELSEWHERE, "HOME": str(tmp_path / "home")}
    before = (*alone, "sh", "-c", 'umask 077; exec "$@"', "sh")
    elsewhere = moved(tmp_path / "another place")
    done = run_app(tmp_path / "out", app=elsewhere, variables=variables, before=before, env="dev")
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == digests(dev.folder)


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: f"by {path}")
def test_the_same_bytes_are_synthesized(
    dev: Assembly, tmp_path: Path, python: str, record_property: Callable[[str, object], None]
) -> None:
    done = run_app(tmp_path / "out", app=moved(tmp_path / "project"), python=python, env="dev")
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == digests(dev.folder)
    said = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
    whole = hashlib.sha256(repr(digests(dev.folder)).encode()).hexdigest()
    versions = f"{sys.version.split()[0]} and {said.stdout.split()[1]}"
    record_property("measured", f"synth, twice the same on Python {versions}: {whole}")
