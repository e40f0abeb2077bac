"""Whether a virtual environment holds exactly what its lock file names."""

from __future__ import annotations

import re
import sysconfig
from importlib.metadata import distributions
from typing import TYPE_CHECKING, cast

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from pathlib import Path


def locked_versions(lock: Path, python_version: str) -> dict[str, str]:
    """Read the versions that a lock asks for on this platform and `python_version`."""
    environment = cast("dict[str, str]", default_environment())
    environment["python_version"] = ".".join(python_version.split(".")[:2])
    environment["python_full_version"] = python_version
    pinned = [
        Requirement(line.rstrip(" \\"))
        for line in lock.read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Za-z0-9]", line)
    ]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in pinned
        if each.marker is None or each.marker.evaluate(environment)
    }


def installed_versions(venv: Path) -> dict[str, str]:
    """Read the versions of the distributions that lie in a virtual environment."""
    scheme = {"base": str(venv), "platbase": str(venv)}
    version = environment_version(venv).split(".")
    scheme["py_version_short"] = f"{version[0]}.{version[1]}"
    folder = sysconfig.get_path("purelib", "venv", vars=scheme)
    return {
        canonicalize_name(each.metadata["Name"]): each.version
        for each in distributions(path=[folder])
    }


def environment_version(venv: Path) -> str:
    """Return the Python version that a virtual environment was made with.

    Raises
    ------
    FileNotFoundError
        If there is no such environment.
    """
    for line in (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):
            return value.strip()
    return "0.0.0"


def differences(venv: Path, lock: Path) -> list[str]:
    """Return one remark for each distribution that is absent or has another version."""
    installed = installed_versions(venv)
    expected = locked_versions(lock, environment_version(venv))
    return [
        f"{name} {installed.get(name, 'absent')}, expected {version}"
        for name, version in expected.items()
        if installed.get(name) != version
    ]
