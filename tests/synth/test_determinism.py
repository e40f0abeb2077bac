"""The same bytes wherever, whenever and with whichever Python the project is synthesized."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.synth.assembly import ROOT, Assembly, run_app

VERSIONS = ("3.11", "3.12", "3.13")
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


def interpreters() -> Iterator[str]:
    """Yield other Pythons that can synthesize: of `$MLOPS_PYTHONS`, then on PATH."""
    own = sys.version_info[:2]
    named = os.environ.get("MLOPS_PYTHONS", "").split(os.pathsep)
    on_path = (f"python{version}" for version in VERSIONS if version != f"{own[0]}.{own[1]}")
    for each in filter(None, (*named, *on_path)):
        program = shutil.which(each)
        probe = [str(program), "-c", "import aws_cdk, pydantic"]
        if program and subprocess.run(probe, capture_output=True).returncode == 0:
            yield program


def moved(folder: Path) -> Path:
    """A copy of what synthesis reads, and of the packages, without the archive made of them."""
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("stacks", "lambdas"):
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


def test_another_place_time_zone_account_and_no_network_change_nothing(
    dev: Assembly, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    variables = {**ELSEWHERE, "HOME": str(tmp_path / "home")}
    alone = (*without_network(), "sh", "-c", 'umask 077; exec "$@"', "sh")
    elsewhere = moved(tmp_path / "another place")
    done = run_app(tmp_path / "out", app=elsewhere, variables=variables, before=alone, env="dev")
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == digests(dev.folder)


def test_every_python_synthesizes_the_same_bytes(
    dev: Assembly, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    compared = [sys.version.split()[0]]
    for number, python in enumerate(interpreters()):
        out = tmp_path / f"out-{number}"
        elsewhere = moved(tmp_path / f"project-{number}")
        done = run_app(out, app=elsewhere, python=python, env="dev")
        assert done.returncode == 0, done.stderr
        assert digests(out) == digests(dev.folder), python
        said = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
        compared.append(said.stdout.split()[1])
    whole = hashlib.sha256(repr(digests(dev.folder)).encode()).hexdigest()
    others = "" if len(compared) > 1 else " alone: no other has the project's requirements"
    record_property("measured", f"synth on Python {', '.join(compared)}{others}: {whole}")
