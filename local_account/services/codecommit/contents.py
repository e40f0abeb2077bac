"""CodeCommit: commits, files, folders and differences, as they were committed."""

import base64
import re
from dataclasses import dataclass

from local_account.service import ServiceError
from local_account.services.codecommit.git import Bare, Difference, Entry
from local_account.services.codecommit.plane import NO_PAGE, Params, Plane, Repository
from local_account.services.paging import page

MOST_BYTES = 6 * 1024**2
MODES = {"100644": "NORMAL", "100755": "EXECUTABLE", "120000": "SYMLINK"}
_MOST_COMMITS, _MOST_DIFFERENCES = 100, 400
_ID = re.compile(r"[0-9a-f]{40}")
_PERSON = re.compile(r"(.*?) ?<(.*?)> (\d+ [+-]\d{4})")


@dataclass(frozen=True)
class Person:
    """Who wrote or made a commit; the date as git has it, seconds and offset."""

    name: str
    email: str
    date: str


@dataclass(frozen=True)
class WrittenCommit:
    """A commit as git keeps it."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


def read_commit(bare: Bare, commit_id: str) -> WrittenCommit:
    """Read a commit."""
    head, _, message = bare.read("commit", commit_id).decode(errors="replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    told: dict[str, str] = {}
    for name, _, value in lines:
        told.setdefault(name, value)
    parents = tuple(value for name, _, value in lines if name == "parent")
    people = (_person(told["author"]), _person(told["committer"]))
    return WrittenCommit(commit_id, told["tree"], parents, *people, message)


def _person(text: str) -> Person:
    found = _PERSON.fullmatch(text)
    return Person(*found.groups()) if found else Person(text, "", "0 +0000")


class Contents(Plane):
    """Reads what is in a repository."""

    def get_commit(self, params: Params) -> Params:
        """Return a commit by its id."""
        bare, commit_id = self.repository(params["repositoryName"]).bare, params["commitId"]
        if not _ID.fullmatch(commit_id):
            message = f"{commit_id!r} is not a full commit id (40 hexadecimal digits)."
            raise ServiceError("InvalidCommitIdException", message)
        if bare.kind_of(commit_id)[0] != "commit":
            message = f"The commit {commit_id} does not exist in {params['repositoryName']}."
            raise ServiceError("CommitIdDoesNotExistException", message)
        return {"commit": _shown(read_commit(bare, commit_id))}

    def batch_get_commits(self, params: Params) -> Params:
        """Return several commits, and what is wrong with the ids of others."""
        ids = params["commitIds"]
        if not ids or len(ids) > _MOST_COMMITS:
            code = "CommitIdsLimitExceededException" if ids else "CommitIdsListRequiredException"
            raise ServiceError(code, f"{len(ids)} commit ids, expected 1 to {_MOST_COMMITS}.")
        bare = self.repository(params["repositoryName"]).bare
        code, found, errors = "CommitIdDoesNotExistException", [], []
        for each in ids:
            if _ID.fullmatch(each) and bare.kind_of(each)[0] == "commit":
                found.append(_shown(read_commit(bare, each)))
            else:
                message = f"The commit {each} does not exist."
                errors.append({"commitId": each, "errorCode": code, "errorMessage": message})
        return {"commits": found, "errors": errors}

    def get_file(self, params: Params) -> Params:
        """Return a file of a commit, up to 6 MB."""
        repository, path = self.repository(params["repositoryName"]), path_of(params["filePath"])
        commit_id = repository.commit_of(params.get("commitSpecifier") or "HEAD")
        found = [each for each in repository.bare.entries(commit_id, path) if each.kind == "blob"]
        if not found:
            message = f"{path} does not exist in {repository.name} at {commit_id}."
            raise ServiceError("FileDoesNotExistException", message)
        return {
            "commitId": commit_id,
            "blobId": found[0].id,
            "filePath": path,
            "fileMode": MODES[found[0].mode],
            "fileSize": found[0].size,
            "fileContent": _content(repository.bare, found[0].id, found[0].size),
        }

    def get_blob(self, params: Params) -> Params:
        """Return the content of a file by the id of its blob, up to 6 MB."""
        bare, blob_id = self.repository(params["repositoryName"]).bare, params["blobId"]
        if not _ID.fullmatch(blob_id):
            raise ServiceError("InvalidBlobIdException", f"{blob_id!r} is not a blob's id.")
        kind, size = bare.kind_of(blob_id)
        if kind != "blob":
            message = f"The blob {blob_id} does not exist in {params['repositoryName']}."
            raise ServiceError("BlobIdDoesNotExistException", message)
        return {"content": _content(bare, blob_id, size)}

    def get_folder(self, params: Params) -> Params:
        """Return what is directly in a folder of a commit."""
        repository = self.repository(params["repositoryName"])
        commit_id = repository.commit_of(params.get("commitSpecifier") or "HEAD")
        path = params["folderPath"].strip("/")
        path = path_of(path) if path else ""
        tree = _tree(repository, commit_id, path)
        entries = repository.bare.entries(commit_id, path, below=True)
        shown = {kind: [_located(e, path) for e in entries if _kind(e) == kind] for kind in _KINDS}
        return {"commitId": commit_id, "folderPath": path, "treeId": tree, **shown}

    def get_differences(self, params: Params) -> Params:
        """Return where a commit differs from another, or from nothing."""
        repository = self.repository(params["repositoryName"])
        before = params.get("beforeCommitSpecifier")
        commits = {
            "before": repository.commit_of(before) if before else "",
            "after": repository.commit_of(params["afterCommitSpecifier"]),
        }
        paths: dict[str, None] = {}
        for side, commit_id in commits.items():
            if path := params.get(f"{side}Path", "").strip("/"):
                paths[path_of(path)] = None
                if commit_id and not repository.bare.entries(commit_id, path):
                    message = f"{path} does not exist in {repository.name} at {commit_id}."
                    raise ServiceError("PathDoesNotExistException", message)
        found = repository.bare.differences(commits["before"], commits["after"], *paths)
        size = min(params.get("MaxResults") or _MOST_DIFFERENCES, _MOST_DIFFERENCES)
        if size < 1:
            raise ServiceError("InvalidMaxResultsException", "MaxResults must be at least 1.")
        items, token = page(
            [_difference(each) for each in found], params.get("NextToken"), size, NO_PAGE
        )
        return {"differences": items, "NextToken": token}


def path_of(text: str) -> str:
    """Return a path as git has it, relative to the root.

    Raises
    ------
    ServiceError
        If git has no file under it.
    """
    parts = text.removeprefix("/").split("/")
    odd = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if odd or re.search(r"[\x00-\x1f\x7f]", text):
        raise ServiceError("InvalidPathException", f"The path {text!r} is not valid.")
    return "/".join(parts)


def _shown(commit: WrittenCommit) -> Params:
    return {
        "commitId": commit.id,
        "treeId": commit.tree,
        "parents": list(commit.parents),
        "message": commit.message,
        "author": vars(commit.author),
        "committer": vars(commit.committer),
        "additionalData": "",
    }


def _content(bare: Bare, blob_id: str, size: int) -> str:
    if size > MOST_BYTES:
        message = f"The file has {size} bytes, expected at most {MOST_BYTES}: clone the repository."
        raise ServiceError("FileTooLargeException", message)
    return base64.b64encode(bare.read("blob", blob_id)).decode()


def _tree(repository: Repository, commit_id: str, path: str) -> str:
    if not path:
        return read_commit(repository.bare, commit_id).tree
    found = [each for each in repository.bare.entries(commit_id, path) if each.kind == "tree"]
    if not found:
        message = f"The folder {path} does not exist in {repository.name} at {commit_id}."
        raise ServiceError("FolderDoesNotExistException", message)
    return found[0].id


_KINDS = {"subFolders": "treeId", "files": "blobId", "symbolicLinks": "blobId"}
_KINDS["subModules"] = "commitId"


def _kind(entry: Entry) -> str:
    named = {"tree": "subFolders", "commit": "subModules"}
    return named.get(entry.kind, "symbolicLinks" if entry.mode == "120000" else "files")


def _located(entry: Entry, folder: str) -> Params:
    mode = {"fileMode": MODES[entry.mode]} if entry.kind == "blob" else {}
    relative = entry.path.removeprefix(f"{folder}/") if folder else entry.path
    where = {"absolutePath": entry.path, "relativePath": relative}
    return {_KINDS[_kind(entry)]: entry.id, **where, **mode}


def _difference(each: Difference) -> Params:
    before = {"blobId": each.before_id, "path": each.path, "mode": each.before_mode}
    after = {"blobId": each.after_id, "path": each.path, "mode": each.after_mode}
    return {
        "beforeBlob": before if each.change != "A" else None,
        "afterBlob": after if each.change != "D" else None,
        "changeType": each.change if each.change in "AD" else "M",
    }
