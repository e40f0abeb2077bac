"""CodeCommit's API on bare repositories: commits, files, differences, archives and events."""

import io
import subprocess
import zipfile
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local_account.service import Account, ServiceError
from local_account.services.codecommit import CodeCommit, _iso

AUTHOR = {"authorName": "Ada", "email": "ada@example.com"}
Answer = dict[str, Any]


@dataclass
class Lab:
    """An account's CodeCommit with one repository, and the events that it sent."""

    codecommit: CodeCommit
    events: list[Answer] = field(default_factory=list)

    def ask(self, operation: str, **params: Any) -> Answer:
        if operation not in ("CreateRepository", "TagResource", "BatchGetRepositories"):
            params = {"repositoryName": "lab", **params}
        return self.codecommit.call(operation, params)

    def refused(self, operation: str, **params: Any) -> str:
        with pytest.raises(ServiceError) as error:
            self.ask(operation, **params)
        return error.value.code

    def commit(self, *gone: str, parent: str = "", branch: str = "main", **files: str) -> Answer:
        """Commit files (`name__py` is `name.py`, `a_b` is `a/b`)."""
        named = {"branchName": branch, **({"parentCommitId": parent} if parent else {})}
        put = [_put(_path(name), text) for name, text in files.items()]
        deleted = [{"filePath": path} for path in gone]
        return self.ask("CreateCommit", putFiles=put, deleteFiles=deleted, **named, **AUTHOR)

    def paths(self, specifier: str = "main") -> dict[str, str]:
        found = self.ask("GetDifferences", afterCommitSpecifier=specifier)["differences"]
        return {each["afterBlob"]["path"]: each["afterBlob"]["mode"] for each in found}


def _path(name: str) -> str:
    return name.replace("__", ".").replace("_", "/")


def _put(path: str, text: str, **more: Any) -> Answer:
    return {"filePath": path, "fileContent": b64encode(text.encode()).decode(), **more}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    account = Account("123456789012", "us-east-1", "http://127.0.0.1:1", "k", "s", tmp_path, Path())
    events: list[Answer] = []
    lab = Lab(CodeCommit(account, events.append), events)
    lab.ask("CreateRepository", repositoryName="lab")
    return lab


def test_the_first_branch_becomes_the_default_one(lab: Lab) -> None:
    assert "defaultBranch" not in lab.ask("GetRepository")["repositoryMetadata"]
    made = lab.commit(branch="trunk", app__py="one")
    assert lab.ask("GetRepository")["repositoryMetadata"]["defaultBranch"] == "trunk"
    assert lab.ask("GetFile", filePath="app.py")["commitId"] == made["commitId"]
    assert (
        lab.refused("DeleteBranch", branchName="trunk") == "DefaultBranchCannotBeDeletedException"
    )
    lab.ask("CreateBranch", branchName="main", commitId=made["commitId"])
    lab.ask("UpdateDefaultBranch", defaultBranchName="main")
    assert lab.ask("DeleteBranch", branchName="trunk")["deletedBranch"]["branchName"] == "trunk"
    assert lab.ask("DeleteBranch", branchName="trunk") == {}


def test_each_change_of_a_reference_is_told_once(lab: Lab) -> None:
    first = lab.commit(app__py="one")["commitId"]
    second = lab.commit(parent=first, app__py="two")["commitId"]
    lab.codecommit.caller = "arn:aws:iam::123456789012:user/ada"
    lab.ask("CreateBranch", branchName="topic/a", commitId=first)
    lab.ask("DeleteBranch", branchName="topic/a")
    told = [event["detail"] for event in lab.events]
    commits = [(e["event"], e.get("commitId"), e.get("oldCommitId")) for e in told]
    assert commits == [
        ("referenceCreated", first, None),
        ("referenceUpdated", second, first),
        ("referenceCreated", first, None),
        ("referenceDeleted", None, first),
    ]
    assert told[2]["referenceName"] == "topic/a"
    assert told[2]["referenceFullName"] == "refs/heads/topic/a"
    assert told[2]["callerUserArn"] == "arn:aws:iam::123456789012:user/ada"
    assert lab.events[0]["resources"] == ["arn:aws:codecommit:us-east-1:123456789012:lab"]


def test_a_commit_adds_changes_moves_and_removes_files(lab: Lab) -> None:
    first = lab.commit(app__py="one", old__py="old", d_a__txt="a", d_b__txt="b")
    assert [each["absolutePath"] for each in first["filesAdded"]] == [
        *("app.py", "d/a.txt", "d/b.txt", "old.py")
    ]
    second = lab.ask(
        "CreateCommit",
        branchName="main",
        parentCommitId=first["commitId"],
        putFiles=[
            _put("app.py", "two", fileMode="EXECUTABLE"),
            {"filePath": "new.py", "sourceFile": {"filePath": "old.py", "isMove": True}},
            _put('odd "name" \\ é.txt', "odd"),
        ],
        deleteFiles=[{"filePath": "d/a.txt"}, {"filePath": "d/b.txt"}],
        keepEmptyFolders=True,
    )
    assert lab.paths() == {
        "app.py": "100755",
        "d/.gitkeep": "100644",
        "new.py": "100644",
        'odd "name" \\ é.txt': "100644",
    }
    assert {each["absolutePath"] for each in second["filesDeleted"]} == {
        *("d/a.txt", "d/b.txt", "old.py")
    }
    (updated,) = second["filesUpdated"]
    assert (updated["absolutePath"], updated["fileMode"]) == ("app.py", "EXECUTABLE")
    assert b64decode(lab.ask("GetFile", filePath="new.py")["fileContent"]) == b"old"


def test_a_mode_is_kept_and_changed(lab: Lab) -> None:
    put = [_put("run.sh", "1", fileMode="EXECUTABLE")]
    first = lab.ask("CreateCommit", branchName="main", putFiles=put)["commitId"]
    second = lab.ask(
        "PutFile", branchName="main", parentCommitId=first, **_put("run.sh", "2"), name="Bo"
    )
    assert lab.paths() == {"run.sh": "100755"}
    modes = [{"filePath": "run.sh", "fileMode": "NORMAL"}]
    parent = {"branchName": "main", "parentCommitId": second["commitId"]}
    lab.ask("CreateCommit", setFileModes=modes, **parent)
    assert lab.paths() == {"run.sh": "100644"}
    told = lab.ask("GetCommit", commitId=second["commitId"])["commit"]
    assert (told["author"]["name"], told["message"]) == ("Bo", "Put run.sh")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "FileEntryRequiredException"),
        ({"putFiles": [_put("app.py", "one")]}, "NoChangeException"),
        ({"putFiles": [_put("a", "1"), _put("/a", "2")]}, "SamePathRequestException"),
        ({"putFiles": [_put("app.py/x", "1")]}, "DirectoryNameConflictsWithFileNameException"),
        ({"putFiles": [_put("d", "1")]}, "FileNameConflictsWithDirectoryNameException"),
        ({"putFiles": [_put("../x", "1")]}, "InvalidPathException"),
        ({"putFiles": [_put(".git/config", "1")]}, "InvalidPathException"),
        ({"putFiles": [_put("a\nb", "1")]}, "InvalidPathException"),
        ({"putFiles": [{"filePath": "a"}]}, "SourceFileOrContentRequiredException"),
        ({"putFiles": [_put("a", "1", fileMode="ODD")]}, "InvalidFileModeException"),
        (
            {"putFiles": [_put(f"f{n}", "1") for n in range(101)]},
            "MaximumFileEntriesExceededException",
        ),
        ({"putFiles": [_put("a", "x" * 7_000_000)]}, "FileContentSizeLimitExceededException"),
        (
            {"putFiles": [_put("a", "x" * 4_000_000), _put("b", "y" * 4_000_000)]},
            "FileContentSizeLimitExceededException",
        ),
        ({"putFiles": [{"filePath": "a", "fileContent": "?"}]}, "SerializationException"),
        ({"deleteFiles": [{"filePath": "absent"}]}, "FileDoesNotExistException"),
        (
            {"deleteFiles": [{"filePath": "app.py"}], "branchName": "none"},
            "BranchDoesNotExistException",
        ),
        ({"putFiles": [_put("a", "1")], "parentCommitId": None}, "ParentCommitIdRequiredException"),
        ({"putFiles": [_put("a", "1")], "parentCommitId": "x"}, "InvalidParentCommitIdException"),
        (
            {"putFiles": [_put("a", "1")], "parentCommitId": "0" * 40},
            "ParentCommitDoesNotExistException",
        ),
        (
            {"putFiles": [_put("a", "1")], "repositoryName": "none"},
            "RepositoryDoesNotExistException",
        ),
        ({"putFiles": [_put("a", "1")], "branchName": ""}, "InvalidBranchNameException"),
    ],
)
def test_a_commit_that_cannot_be_made_changes_nothing(
    lab: Lab, changes: dict[str, Any], code: str
) -> None:
    parent = lab.commit(app__py="one", d_a__txt="a")["commitId"]
    given = {"branchName": "main", "parentCommitId": parent, **changes}
    given = {name: value for name, value in given.items() if value is not None}
    assert lab.refused("CreateCommit", **given) == code
    assert lab.ask("GetBranch", branchName="main")["branch"]["commitId"] == parent
    assert len(lab.events) == 1


def test_a_commit_on_a_branch_that_has_moved_is_refused(lab: Lab) -> None:
    first = lab.commit(app__py="one")["commitId"]
    lab.commit(parent=first, app__py="two")
    put = {"branchName": "main", "parentCommitId": first, **_put("app.py", "three")}
    assert lab.refused("PutFile", **put) == "ParentCommitIdOutdatedException"


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("CreateRepository", {"repositoryName": "lab"}, "RepositoryNameExistsException"),
        ("CreateRepository", {"repositoryName": ".."}, "InvalidRepositoryNameException"),
        ("CreateRepository", {"repositoryName": "a/../b"}, "InvalidRepositoryNameException"),
        ("CreateRepository", {"repositoryName": "lab.git"}, "InvalidRepositoryNameException"),
        ("CreateRepository", {"repositoryName": "é"}, "InvalidRepositoryNameException"),
        ("CreateRepository", {}, "RepositoryNameRequiredException"),
        (
            "CreateRepository",
            {"repositoryName": "b", "tags": {"aws:a": "b"}},
            "InvalidSystemTagUsageException",
        ),
        ("GetRepository", {"repositoryName": "none"}, "RepositoryDoesNotExistException"),
        ("BatchGetRepositories", {"repositoryNames": []}, "RepositoryNamesRequiredException"),
        ("GetBranch", {"branchName": "none"}, "BranchDoesNotExistException"),
        ("GetBranch", {}, "BranchNameRequiredException"),
        ("GetBranch", {"branchName": "x" * 257}, "InvalidBranchNameException"),
        ("CreateBranch", {"branchName": "a..b", "commitId": "main"}, "InvalidBranchNameException"),
        ("CreateBranch", {"branchName": "b", "commitId": "none"}, "CommitDoesNotExistException"),
        ("CreateBranch", {"branchName": "main", "commitId": "main"}, "BranchNameExistsException"),
        ("UpdateDefaultBranch", {"defaultBranchName": "none"}, "BranchDoesNotExistException"),
        ("GetCommit", {"commitId": "main"}, "InvalidCommitIdException"),
        ("GetCommit", {"commitId": "0" * 40}, "CommitIdDoesNotExistException"),
        ("GetFile", {"filePath": "none"}, "FileDoesNotExistException"),
        ("GetFile", {"filePath": "../HEAD"}, "InvalidPathException"),
        (
            "GetFile",
            {"filePath": "app.py", "commitSpecifier": "none"},
            "CommitDoesNotExistException",
        ),
        (
            "GetFile",
            {"filePath": "app.py", "commitSpecifier": "main~1"},
            "CommitDoesNotExistException",
        ),
        ("GetFolder", {"folderPath": "none"}, "FolderDoesNotExistException"),
        ("GetBlob", {"blobId": "0" * 40}, "BlobIdDoesNotExistException"),
        ("GetBlob", {"blobId": "x"}, "InvalidBlobIdException"),
        ("GetDifferences", {"afterCommitSpecifier": "none"}, "CommitDoesNotExistException"),
        (
            "GetDifferences",
            {"afterCommitSpecifier": "main", "afterPath": "no"},
            "PathDoesNotExistException",
        ),
        (
            "GetDifferences",
            {"afterCommitSpecifier": "main", "NextToken": "x"},
            "InvalidContinuationTokenException",
        ),
        (
            "TagResource",
            {"resourceArn": "arn:aws:s3:::b", "tags": {}},
            "InvalidResourceArnException",
        ),
        ("CreatePullRequest", {"title": "t", "targets": []}, "UnsupportedOperation"),
    ],
)
def test_what_is_refused_and_under_which_code(
    lab: Lab, operation: str, params: dict[str, Any], code: str
) -> None:
    lab.commit(app__py="one")
    assert lab.refused(operation, **params) == code


def test_a_folder_tells_what_is_directly_in_it(lab: Lab) -> None:
    lab.commit(app__py="one", d_a__txt="a", d_e_b__txt="b")
    put = {
        "branchName": "main",
        "parentCommitId": lab.ask("GetBranch", branchName="main")["branch"]["commitId"],
    }
    link = [_put("link", "app.py", fileMode="SYMLINK")]
    lab.ask("CreateCommit", putFiles=link, **put)
    root = lab.ask("GetFolder", folderPath="/")
    assert [each["relativePath"] for each in root["files"]] == ["app.py"]
    assert [each["fileMode"] for each in root["symbolicLinks"]] == ["SYMLINK"]
    assert [each["absolutePath"] for each in root["subFolders"]] == ["d"]
    below = lab.ask("GetFolder", folderPath="d", commitSpecifier="refs/heads/main")
    assert [each["relativePath"] for each in below["files"]] == ["a.txt"]
    assert [each["absolutePath"] for each in below["subFolders"]] == ["d/e"]
    assert below["treeId"] == root["subFolders"][0]["treeId"]


def test_differences_come_in_pages(lab: Lab) -> None:
    first = lab.commit(a__txt="1", b__txt="1", c__txt="1")["commitId"]
    lab.commit("b.txt", parent=first, a__txt="2", d__txt="1")
    asked = {"beforeCommitSpecifier": first, "afterCommitSpecifier": "main", "MaxResults": 2}
    page = lab.ask("GetDifferences", **asked)
    rest = lab.ask("GetDifferences", **asked, NextToken=page["NextToken"])
    found = page["differences"] + rest["differences"]
    assert [each["changeType"] for each in found] == ["M", "D", "A"]
    assert [sorted(each) for each in found[1:]] == [
        ["beforeBlob", "changeType"],
        ["afterBlob", "changeType"],
    ]
    assert "NextToken" not in rest
    only = lab.ask("GetDifferences", **asked, afterPath="d.txt")["differences"]
    assert [each["afterBlob"]["path"] for each in only] == ["d.txt"]


def test_a_renamed_repository_keeps_its_commits(lab: Lab) -> None:
    made = lab.commit(app__py="one")["commitId"]
    lab.codecommit.call("UpdateRepositoryName", {"oldName": "lab", "newName": "other"})
    assert lab.codecommit.tip("other", "main").id == made
    with pytest.raises(ServiceError, match="lab does not exist"):
        lab.codecommit.tip("lab", "main")


def test_an_archive_is_what_was_committed(lab: Lab) -> None:
    """Whatever attributes say that would change it."""
    attributes = "hidden.txt export-ignore\n*.txt text eol=crlf ident export-subst\n"
    files = {"__gitattributes": attributes, "hidden__txt": "kept", "a__txt": "$Id$ $Format:%H$\n"}
    first = lab.commit(**files)["commitId"]
    put = [_put("run.sh", "1", fileMode="EXECUTABLE")]
    parent = {"branchName": "main", "parentCommitId": first}
    made = lab.ask("CreateCommit", putFiles=put, **parent)["commitId"]
    with zipfile.ZipFile(io.BytesIO(lab.codecommit.archive("lab", made))) as archive:
        found = {each.filename: archive.read(each) for each in archive.infolist()}
        modes = {each.filename: each.external_attr >> 16 & 0o777 for each in archive.infolist()}
    assert found["hidden.txt"] == b"kept"
    assert found["a.txt"] == b"$Id$ $Format:%H$\n"
    assert modes["run.sh"] == 0o755
    with pytest.raises(ServiceError, match="does not exist"):
        lab.codecommit.archive("lab", "0" * 40)


def test_the_tip_of_a_branch_is_told_with_its_author(lab: Lab) -> None:
    made = lab.ask(
        "PutFile",
        **{"branchName": "main", **_put("app.py", "one"), "commitMessage": 'why "so"\n\nmore\n'},
        **{"name": "Ada <Lovelace>", "email": "ada@example.com"},
    )
    tip = lab.codecommit.tip("lab", "main")
    assert (tip.id, tip.message) == (made["commitId"], 'why "so"\n\nmore')
    assert (tip.author_name, tip.author_email) == ("Ada Lovelace", "ada@example.com")
    assert tip.author_date == tip.committer_date
    assert tip.author_date.endswith("+00:00")


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("1700000000 -0930", "2023-11-14T12:43:20-09:30"),
        ("1700000000 +0000", "2023-11-14T22:13:20+00:00"),
        ("1700000000 +9999", "1970-01-01T00:00:00+00:00"),
        ("99999999999999 +0000", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_a_date_of_git_in_iso_8601(date: str, expected: str) -> None:
    assert _iso(date) == expected


def test_git_of_this_machine_is_run_without_its_configuration(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "nonsense")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert lab.commit(app__py="one")["commitId"] == lab.codecommit.tip("lab", "main").id


def test_a_machine_without_git_is_told_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceError, match="git is not on the PATH"):
        lab.ask("GetRepository")


def test_an_unwritten_commit_is_seen_by_nobody(lab: Lab) -> None:
    first = lab.commit(app__py="one")["commitId"]
    assert lab.refused("CreateCommit", **_same(first)) == "NoChangeException"
    folder = lab.codecommit.repository("lab").bare.folder
    listed = subprocess.run(["git", "ls-remote", folder], capture_output=True, text=True).stdout
    assert "codecommit" not in listed


def _same(parent: str) -> dict[str, Any]:
    return {"branchName": "main", "parentCommitId": parent, "putFiles": [_put("app.py", "one")]}


def test_an_archive_of_more_than_fits_is_refused(lab: Lab) -> None:
    """Whatever a small pack says is in a tree, such as the same folder many times."""
    bare = lab.codecommit.repository("lab").bare
    made = bare.run("hash-object", "-w", "--stdin", given=b"x").decode().strip()
    kind = "100644 blob"
    for count in (150, 150):
        listed = "".join(f"{kind} {made}\t{number}\n" for number in range(count))
        made, kind = bare.run("mktree", given=listed.encode()).decode().strip(), "040000 tree"
    who = "Ada <ada@example.com> 0 +0000"
    written = f"tree {made}\nauthor {who}\ncommitter {who}\n\nmany\n".encode()
    commit = (
        bare.run("hash-object", "-t", "commit", "-w", "--stdin", given=written).decode().strip()
    )
    with pytest.raises(ServiceError, match="over 268435456 bytes or 20000 files") as error:
        lab.codecommit.archive("lab", commit)
    assert error.value.code == "FolderContentSizeLimitExceededException"


def test_a_reference_whose_name_is_not_utf8_hides_no_other(lab: Lab) -> None:
    commit = lab.commit(a__txt="1")["commitId"]
    lab.codecommit.repository("lab").bare.run("update-ref", "refs/heads/\udcff", commit)
    assert lab.ask("ListBranches")["branches"] == ["main", "\udcff"]
    asked = {"branchName": "\udcfe", "commitId": commit}
    assert lab.refused("CreateBranch", **asked) == "InvalidBranchNameException"
