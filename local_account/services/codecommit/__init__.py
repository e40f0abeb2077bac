"""CodeCommit: bare git repositories, by its API and as a git remote over HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from local_account.services.codecommit.branches import Branches, existing_tip
from local_account.services.codecommit.commits import Commits
from local_account.services.codecommit.contents import Contents, read_commit
from local_account.services.codecommit.repositories import Repositories

__all__ = ["CodeCommit", "Commit"]


@dataclass(frozen=True)
class Commit:
    """A commit as a pipeline tells of it; the dates are ISO 8601 with their offset."""

    id: str
    message: str
    author_name: str
    author_email: str
    author_date: str
    committer_date: str


class CodeCommit(Repositories, Branches, Contents, Commits):
    """The CodeCommit API; its git remote is `remote.GitRemote`."""

    def tip(self, repository: str, branch: str) -> Commit:
        """Return the commit that a branch points to.

        Raises
        ------
        ServiceError
            If there is no such repository or branch.
        """
        found = self.repository(repository)
        written = read_commit(found.bare, existing_tip(found, branch))
        return Commit(
            written.id,
            written.message.rstrip("\n"),
            written.author.name,
            written.author.email,
            _iso(written.author.date),
            _iso(written.committer.date),
        )

    def archive(self, repository: str, commit_id: str) -> bytes:
        """Return the files of a commit as a zip archive.

        Raises
        ------
        ServiceError
            If there is no such repository or commit.
        """
        found = self.repository(repository)
        return found.bare.archive(found.commit_of(commit_id))


def _iso(date: str) -> str:
    """Return a date of git, seconds and an offset such as -0930, in ISO 8601."""
    seconds, offset = date.split()
    minutes = (int(offset[1:3]) * 60 + int(offset[3:])) * (-1 if offset[0] == "-" else 1)
    try:
        zone = timezone(timedelta(minutes=minutes))
        return datetime.fromtimestamp(int(seconds), zone).isoformat()
    except (ValueError, OverflowError):  # git takes any number for a date
        return datetime.fromtimestamp(0, UTC).isoformat()
