"""Who committed what: read from the repository, never from the pipeline's variables."""

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import PipelineError

if TYPE_CHECKING:
    from mypy_boto3_codecommit import CodeCommitClient

MESSAGE_CHARACTERS = 200


@dataclass(frozen=True)
class Commit:
    """A commit; `message` is the first line, cut to what names of versions take."""

    id: str
    author: str
    message: str


def from_codecommit(codecommit: "CodeCommitClient", repository: str, commit_id: str) -> Commit:
    """Ask CodeCommit: its source artifact is a zip without history."""
    found = codecommit.get_commit(repositoryName=repository, commitId=commit_id)["commit"]
    author = found.get("author", {})
    return _commit(
        commit_id, author.get("name", ""), author.get("email", ""), found.get("message", "")
    )


def from_clone(commit_id: str) -> Commit:
    """Ask git: the source artifact of a connection is a clone.

    Raises
    ------
    PipelineError
        If this folder is no clone that has the commit.
    """
    command = ["git", "log", "-1", "--format=%an%x00%ae%x00%B", commit_id]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise PipelineError(
            f"git does not know {commit_id} ({asked.stderr.strip()}); expected a full clone. Set "
            "the source's output format to CODEBUILD_CLONE_REF, or SOURCE_REPOSITORY."
        )
    return _commit(commit_id, *asked.stdout.split("\0", 2))


def _commit(commit_id: str, name: str, email: str, message: str) -> Commit:
    lines = message.strip().splitlines() or ["(no message)"]
    return Commit(commit_id, f"{name} <{email}>", lines[0][:MESSAGE_CHARACTERS])
