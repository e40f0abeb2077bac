"""What must be in place for the project to work, and how to put it there."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.account import AccountFolder
from mlops.errors import MlopsError, explain
from mlops.locks import differences
from mlops.node import node_folder, tool_environment
from mlops.project import PARTS, command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops.project import Project

OK, WARN, FAIL = "ok", "warn", "fail"
ENGINES = ("buildah", "podman", "docker")
"""In the order in which the embedded account tries them."""
MINIMUM_PYTHON = (3, 11)
MINIMUM_NODE = 22
MINIMUM_FREE_GB = 2.0
ENVIRONMENTS = {
    ".venv": "requirements/run.lock",
    ".venv-container": "model_code/requirements.lock",
    ".venv-processing": "model_code/requirements-processing.lock",
    ".venv-build": "model_code/requirements-build.lock",
    ".venv-lambda": "requirements/lambda-runtime.lock",
}
WITH_BWRAP = (
    "jobs, endpoints and functions see no file of this machine (bwrap); "
    "those without network isolation share its network"
)
WITHOUT_BWRAP = (
    "jobs, endpoints and functions run as plain processes, which read your files, reach your "
    "network whatever they are told, and may outlive a killed account"
)
BWRAP_REMEDY = "install bubblewrap and allow user namespaces (Linux); else run only code you trust"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` is empty where nothing is to be done."""

    check: str
    status: str
    found: str
    remedy: str = ""


def examine(project: Project, env: str) -> Iterator[Finding]:
    """Look at everything, one finding at a time."""
    yield check_python()
    yield check_program("git", FAIL, "install git")
    yield check_node()
    for venv, lock in ENVIRONMENTS.items():
        yield check_environment(project.root, venv, lock)
    yield check_cdk(project.root)
    yield check_sandbox()
    yield check_image_builder()
    yield check_port()
    yield check_disk(project.root)
    yield check_account(project)
    yield from check_target(project, env)


def check_python() -> Finding:
    """Look at the interpreter."""
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    if sys.version_info >= MINIMUM_PYTHON:
        return Finding("python", OK, platform.python_version())
    return Finding("python", FAIL, platform.python_version(), f"install Python {wanted} or newer")


def check_program(name: str, otherwise: str, remedy: str) -> Finding:
    """Look for a program on PATH and ask for its version."""
    found = shutil.which(name)
    if not found:
        return Finding(name, otherwise, "not on PATH", remedy)
    return Finding(name, OK, _first_line([found, "--version"]))


def check_node() -> Finding:
    """Look at the Node.js that runs the CDK CLI."""
    try:
        version = _first_line([str(node_folder() / "node"), "--version"])
    except MlopsError as error:
        return Finding("node", FAIL, explain(error), "run `make setup`")
    if int(version.lstrip("v").partition(".")[0] or 0) < MINIMUM_NODE:
        return Finding("node", FAIL, version, f"run `make setup` (needs {MINIMUM_NODE} or newer)")
    return Finding("node", OK, version)


def check_environment(root: Path, venv: str, lock: str) -> Finding:
    """Compare a virtual environment with its lock."""
    remedy = f"remove {venv} and run `make setup`"
    try:
        remarks = differences(root / venv, root / lock)
    except FileNotFoundError as error:
        return Finding(venv, FAIL, f"{error.filename} is absent", "run `make setup`")
    if remarks:
        more = f" and {len(remarks) - 1} more" if len(remarks) > 1 else ""
        return Finding(venv, FAIL, f"{remarks[0]}{more}", remedy)
    return Finding(venv, OK, f"matches {lock}")


def check_cdk(root: Path) -> Finding:
    """Ask the CDK CLI for its version."""
    program = root / "node_modules" / ".bin" / "cdk"
    if not program.exists():
        return Finding("cdk", FAIL, f"{program} is absent", "run `make setup`")
    return Finding("cdk", OK, _first_line([str(program), "--version"]))


def check_sandbox() -> Finding:
    """Try the isolation that jobs, endpoints and functions of the embedded account run in."""
    program = shutil.which("bwrap")
    if not program:
        return Finding("isolation", WARN, f"bwrap is not on PATH: {WITHOUT_BWRAP}", BWRAP_REMEDY)
    tried = subprocess.run(
        [
            program,
            "--unshare-all",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "true",
        ],
        capture_output=True,
        check=False,
    )
    if tried.returncode != 0:
        said = tried.stderr.decode(errors="replace").strip()
        return Finding("isolation", WARN, f"{said}: {WITHOUT_BWRAP}", BWRAP_REMEDY)
    return Finding("isolation", OK, WITH_BWRAP)


def check_image_builder() -> Finding:
    """Look at what may build images in the embedded account; on AWS CodeBuild brings its own."""
    works = ", ".join(filter(_engine_works, filter(shutil.which, ENGINES)))
    found = f"{works} where the base image is in its store, else rootless" if works else "rootless"
    return Finding("image builder", OK, found)


def _engine_works(engine: str) -> bool:
    try:
        asked = subprocess.run([engine, "info"], capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def check_port() -> Finding:
    """Try to listen on a loopback port."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return Finding("loopback port", OK, f"127.0.0.1:{probe.getsockname()[1]} is free")
    except OSError as error:
        return Finding("loopback port", FAIL, str(error), "allow listening on 127.0.0.1")


def check_disk(root: Path) -> Finding:
    """Look at the free space where the project lies."""
    free_gb = shutil.disk_usage(root).free / 1e9
    found = f"{free_gb:.1f} GB free in {root}"
    if free_gb < MINIMUM_FREE_GB:
        return Finding("disk", WARN, found, f"free {MINIMUM_FREE_GB:.0f} GB")
    return Finding("disk", OK, found)


def check_account(project: Project) -> Finding:
    """Look whether the embedded account runs."""
    folder = AccountFolder(project)
    account = folder.running()
    if account:
        return Finding("embedded account", OK, f"runs at {account.url}, process {account.pid}")
    if folder.left_behind():
        found = "ended without cleaning up; its state is gone"
        return Finding(
            "embedded account", WARN, found, "`.venv/bin/mlops account start` starts a new one"
        )
    return Finding("embedded account", OK, "does not run (`.venv/bin/mlops account start`)")


def check_target(project: Project, env: str) -> Iterator[Finding]:
    """Look at the account that the AWS environment names and at the stacks in it."""
    from botocore.exceptions import BotoCoreError, ClientError

    from mlops.doctor_aws import check_connection
    from mlops.target import Deployment, find_target

    try:
        target = find_target()
        yield Finding("target", OK, str(target))
        for part in PARTS:
            stack = project.stack(env, part)
            deployed = target.stack_outputs(stack) is not None
            found, remedy = (
                ("deployed", "") if deployed else ("not deployed", f"`{command(env, 'deploy')}`")
            )
            yield Finding(stack, OK if deployed else WARN, found, remedy)
        yield from check_connection(Deployment(project, env, target))
    except (BotoCoreError, ClientError) as error:
        yield Finding("target", WARN, explain(error), "needed to deploy and to look at runs")


def _first_line(command: list[str]) -> str:
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=tool_environment(),
        )
    except (OSError, subprocess.TimeoutExpired, MlopsError) as error:
        return f"does not run: {error}"
    lines = (ended.stdout or ended.stderr).strip().splitlines()
    return lines[0] if lines else "printed nothing"
