"""Bare repositories, on which git runs without anything that this machine has configured for it."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_account.archives import Allowance, ArchiveError
from local_account.limits import MIB
from local_account.service import ServiceError

_CONFIGURATION = """\
[core]
\thooksPath = /dev/null
\tlogAllRefUpdates = false
[fastimport]
\tunpackLimit = 1000
[gc]
\tauto = 0
[http]
\treceivepack = true
[maintenance]
\tauto = false
[receive]
\tautogc = false
\tdenyDeleteCurrent = refuse
\tdenyNonFastForwards = true
\tfsckObjects = true
\tmaxInputSize = 2g
[safe]
\tdirectory = *
[transfer]
\thideRefs = refs/codecommit
"""
# an archive is what was committed, whatever a `.gitattributes` in it says
_ATTRIBUTES = "* -export-ignore -export-subst -filter -ident -text !working-tree-encoding\n"
_PENDING = "refs/codecommit/pending"
_NO_REFERENCE = re.compile(
    r"[\x00-\x20\x7f\ud800-\udfff~^:?*\[\\]|\.\.|@\{|//|/\.|^[./-]|[./]$|\.lock(/|$)"
)
NO_COMMIT = "0" * 40
_MOST_ARCHIVED_BYTES = 256 * MIB
_TOO_LARGE = "FolderContentSizeLimitExceededException"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitError(Exception):
    """git refused a command; the text is what it said."""


@dataclass(frozen=True)
class Entry:
    """What a tree has under one path."""

    mode: str
    kind: str
    id: str
    size: int
    path: str


@dataclass(frozen=True)
class Difference:
    """One path that two trees have not alike; a side without it has the mode 000000."""

    before_mode: str
    after_mode: str
    before_id: str
    after_id: str
    change: str
    path: str


@dataclass(frozen=True)
class NewCommit:
    """A commit that is to be made: files by path with their mode and content, and removals."""

    author: str
    email: str
    seconds: int
    message: str
    files: Mapping[str, tuple[str, bytes]]
    removed: Iterable[str] = ()


def is_reference(name: str) -> bool:
    """Tell whether git takes a name for one of a branch or a tag."""
    return bool(name) and name not in ("@", "HEAD") and not _NO_REFERENCE.search(name)


def environment(home: Path) -> dict[str, str]:
    """Return the variables with which git reads the configuration in a folder, and no other."""
    return {
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(home),
        "LC_ALL": "C",
        "PATH": os.environ.get("PATH", os.defpath),
    }


@dataclass(frozen=True)
class Bare:
    """One bare repository; git's configuration is in the folder above it."""

    folder: Path

    def create(self) -> None:
        """Make an empty repository whose first branch will be `main`."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        (self.folder.parent / ".gitconfig").write_text(_CONFIGURATION)
        self.run("init", "--quiet", "--bare", "--template=")
        self.set_default_branch("main")
        (self.folder / "info").mkdir()
        (self.folder / "info" / "attributes").write_text(_ATTRIBUTES)

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run git and return what it prints.

        Raises
        ------
        GitError
            If it fails.
        """
        command = ["git", f"--git-dir={self.folder}", "--literal-pathspecs", *arguments]
        try:
            done = subprocess.run(
                command,
                input=given,
                capture_output=True,
                env=environment(self.folder.parent),
                start_new_session=True,
            )
        except FileNotFoundError as error:
            message = "git is not on the PATH of the account, whose CodeCommit needs it: install it"
            raise ServiceError("InternalFailure", f"{message}.", 500) from error
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout

    @property
    def default_branch(self) -> str:
        """The branch that HEAD names; none of an empty repository."""
        branch = (self.folder / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
        return branch if f"refs/heads/{branch}" in self.references() else ""

    def set_default_branch(self, branch: str) -> None:
        """Let HEAD name a branch."""
        self.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def references(self) -> dict[str, str]:
        """Return the commit of each branch and tag, by full name."""
        fields = "%(refname) %(objectname) %(*objectname)"
        lines = self.run("for-each-ref", f"--format={fields}", "refs/heads", "refs/tags")
        words = (
            line.split() for line in lines.decode(errors="surrogateescape").split("\n") if line
        )
        return {name: ids[-1] for name, *ids in words}

    def commit_of(self, name: str) -> str:
        """Return the commit that a branch, tag, full reference, HEAD or id means, or nothing."""
        known = re.fullmatch(r"[0-9a-f]{40}", name)
        if not known and name != "HEAD" and not is_reference(name):
            return ""
        names = [name] if known or name in ("HEAD",) or name.startswith("refs/") else []
        names += [] if names else [f"refs/heads/{name}", f"refs/tags/{name}"]
        lines = "".join(f"{each}^{{commit}}\n" for each in names)
        for line in self.run("cat-file", "--batch-check", given=lines.encode()).splitlines():
            if line.endswith(b" missing") or b" commit " not in line:
                continue
            return line.split()[0].decode()
        return ""

    def kind_of(self, object_id: str) -> tuple[str, int]:
        """Return the type and the size of an object; of none, nothing."""
        line = self.run("cat-file", "--batch-check", given=f"{object_id}\n".encode()).decode()
        words = line.split()
        return (words[1], int(words[2])) if len(words) == 3 else ("", 0)

    def read(self, kind: str, object_id: str) -> bytes:
        """Return the content of an object."""
        return self.run("cat-file", kind, object_id)

    def entries(self, commit_id: str, path: str = "", *, below: bool = False) -> list[Entry]:
        """Return what a tree has at a path or, if asked, what is directly below it."""
        where = [f"{path}/" if below and path else path] if path else []
        listed = self.run("ls-tree", "-z", "-l", "--full-tree", commit_id, "--", *where)
        found = []
        for line in filter(None, listed.decode(errors="surrogateescape").split("\0")):
            head, _, name = line.partition("\t")
            mode, kind, object_id, size = head.split()
            found.append(Entry(mode, kind, object_id, int(size) if size != "-" else 0, name))
        return found

    def differences(self, before: str, after: str, *paths: str) -> list[Difference]:
        """Return where two commits differ, below paths if some are given; before may be none."""
        options = ("-r", "-z", "--no-renames", "--no-commit-id")
        told = self.run("diff-tree", *options, before or _EMPTY_TREE, after, "--", *paths)
        words = told.decode(errors="surrogateescape").split("\0")
        found = []
        for head, path in zip(words[::2], words[1::2], strict=False):
            mode, after_mode, before_id, after_id, change = head.removeprefix(":").split()
            found.append(Difference(mode, after_mode, before_id, after_id, change, path))
        return found

    def archive(self, commit_id: str) -> bytes:
        """Return the files of a commit as a zip archive, which is made in memory.

        Raises
        ------
        ServiceError
            If it has too many files for that, or too large ones.
        """
        allowance = Allowance(f"Commit {commit_id}", _MOST_ARCHIVED_BYTES)
        try:
            for size in self._sizes(commit_id):
                allowance.admit("", size)
        except ArchiveError as error:
            raise ServiceError(_TOO_LARGE, f"{error}, which is the most in an archive.") from error
        return self.run("archive", "--format=zip", commit_id)

    def _sizes(self, commit_id: str) -> Iterator[int]:
        """Yield the size of each file of a commit: a small pack may list any number of them."""
        command = ["git", f"--git-dir={self.folder}", "ls-tree", "-r", "-l", commit_id]
        variables = environment(self.folder.parent)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables
        ) as listing:
            try:
                for line in listing.stdout or ():
                    size = line.split(maxsplit=4)[3]
                    yield int(size) if size != b"-" else 0
            finally:
                listing.kill()

    def prepare(self, parent: str, new: NewCommit) -> str:
        """Write a commit, to which no branch points yet, and return its id."""
        answer = self.run("fast-import", "--quiet", "--force", given=_stream(parent, new))
        self.run("update-ref", "-d", _PENDING)
        return answer.decode().strip()

    def move(self, reference: str, after: str, before: str) -> None:
        """Let a reference point to another commit, or create or delete it."""
        deleting = after == NO_COMMIT
        self.run("update-ref", *(["-d", reference] if deleting else [reference, after]), before)


def _stream(parent: str, new: NewCommit) -> bytes:
    """Write a commit in the language of `git fast-import`."""
    who = f"{_plain(new.author)} <{_plain(new.email)}> {new.seconds} +0000".lstrip()
    lines = [b"feature done", f"commit {_PENDING}".encode(), b"mark :1"]
    lines += [f"author {who}".encode(), f"committer {who}".encode(), _data(new.message.encode())]
    if parent:
        lines.append(f"from {parent}".encode())
    lines += [f"D {_quoted(path)}".encode() for path in new.removed]
    for path, (mode, content) in new.files.items():
        lines += [f"M {mode} inline {_quoted(path)}".encode(), _data(content)]
    return b"\n".join([*lines, b"", b"get-mark :1", b"done", b""])


def _plain(text: str) -> str:
    return re.sub(r"[<>\x00-\x1f\x7f]", "", text).strip()


def _data(content: bytes) -> bytes:
    return b"data %d\n%s" % (len(content), content)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
