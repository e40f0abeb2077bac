"""How git signs in to a repository of CodeCommit: with the AWS CLI as its credential helper."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNT = "GIT_CONFIG_COUNT"
_HELPER = "codecommit credential-helper"
_OF_A_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""What git sets for a hook, and would work on in place of the folder that it is told."""


def git_variables(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables that configure git for the repositories below a URL, and for them alone.

    What `environment` configures for other purposes is kept, which the variables count along.
    """
    aws = shlex.quote(str(Path(sys.executable).with_name("aws")))
    # an address of this machine is not one of AWS's, on which the helper insists otherwise; it
    # has nothing to store or to erase, and does not know the option then
    get = f"{aws} {_HELPER} --ignore-host-check get"
    helper = f'!f() {{ test "$1" != get || {get}; }}; f'
    section = f"credential.{url}"
    # the empty helper keeps those away that the user has for every host
    own = [(f"{section}.helper", ""), (f"{section}.helper", helper)]
    own.append((f"{section}.useHttpPath", "true"))
    pairs = [*_others(environment), *own]
    numbered = {
        f"GIT_CONFIG_{part}_{number}": value
        for number, pair in enumerate(pairs)
        for part, value in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {_COUNT: str(len(pairs)), **numbered}


def _others(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what is configured by variables, without what an account before wrote there."""
    count = environment.get(_COUNT, "0")
    pairs = [
        (environment.get(f"GIT_CONFIG_KEY_{number}", ""), environment[f"GIT_CONFIG_VALUE_{number}"])
        for number in range(int(count) if count.isdigit() else 0)
        if f"GIT_CONFIG_VALUE_{number}" in environment
    ]
    return [(key, value) for key, value in pairs if not key.startswith("credential.http://127.")]


def git_environment() -> dict[str, str]:
    """Return the variables for a git that works where it is told to and asks nobody anything."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY}
    return {**kept, "GIT_TERMINAL_PROMPT": "0"}


def has_helper(url: str) -> bool:
    """Tell whether git would sign in to a URL with the AWS CLI.

    Raises
    ------
    ToolError
        If git is absent.
    """
    git = shutil.which("git")
    if not git:
        raise ToolError("git is not on PATH. Install git.")
    asked = subprocess.run(
        [git, "config", "--get-urlmatch", "credential.helper", url],
        capture_output=True,
        text=True,
        check=False,
    )
    return _HELPER in asked.stdout


def how_to_sign_in(embedded: bool) -> str:
    """Say in one line what makes git sign in."""
    if embedded:
        return 'git has no credentials for it: eval "$(.venv/bin/mlops account env)"'
    return (
        "git has no credential helper for it: "
        f"git config --global credential.helper '!aws {_HELPER} $@' && "
        "git config --global credential.UseHttpPath true"
    )
