"""The unmodified git, which signs in with the AWS CLI."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import RunningAccount

Create = Callable[[str], str]

_AWS = shlex.quote(str(Path(sys.executable).with_name("aws")))
# the helper has nothing to store or to erase, and does not know the option then
_GET = f"{_AWS} codecommit credential-helper --ignore-host-check get"
_HELPER = f'!f() {{ test "$1" != get || {_GET}; }}; f'


@dataclass(frozen=True)
class GitClient:
    """One person's git: a folder for clones, and credentials."""

    account: RunningAccount
    folder: Path
    credentials: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: str, at: str = ".", check: bool = True, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run git in a folder below the client's own."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder / at,
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and done.returncode:
            raise AssertionError(f"git {arguments} exited {done.returncode}:\n{done.stderr}")
        return done

    def clone(self, url: str, at: str = "clone", *options: str) -> Path:
        self.run("clone", "--quiet", *options, url, at)
        return self.folder / at

    def commit(self, message: str, at: str = "clone", **files: str) -> str:
        """Commit files (`name__py` is `name.py`) and return the commit's id."""
        for name, text in files.items():
            path = self.folder / at / name.replace("__", ".")
            path.write_text(text)
        self.run("add", "--all", at=at)
        self.run("commit", "--quiet", "--message", message, at=at)
        return self.run("rev-parse", "HEAD", at=at).stdout.strip()

    @property
    def _environment(self) -> dict[str, str]:
        url = self.account.url
        settings = {
            f"credential.{url}.helper": _HELPER,
            f"credential.{url}.useHttpPath": "true",
            "init.defaultBranch": "main",
            "user.email": "ada@example.com",
            "user.name": "Ada",
        }
        numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        asked = {"GIT_TERMINAL_PROMPT": "0", "HOME": str(self.folder)}
        return {**self.account.environment, **self.credentials, **numbered, **own, **asked}


@pytest.fixture
def git(account: RunningAccount, tmp_path: Path) -> GitClient:
    return GitClient(account, tmp_path)


@pytest.fixture
def create(account: RunningAccount) -> Iterator[Create]:
    """Create a repository that ends with the test; return the URL to clone it from."""
    codecommit, made = account.client("codecommit"), []

    def created(name: str) -> str:
        made.append(name)
        answer = codecommit.create_repository(repositoryName=name)["repositoryMetadata"]
        return str(answer["cloneUrlHttp"])

    yield created
    for name in made:
        codecommit.delete_repository(repositoryName=name)


def tip(account: RunningAccount, name: str, branch: str = "main") -> str:
    found = account.client("codecommit").get_branch(repositoryName=name, branchName=branch)
    return str(found["branch"]["commitId"])
